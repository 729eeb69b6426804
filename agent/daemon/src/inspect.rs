//! The commands that look at configuration and plugins: `check`, `config`, `plugins`, `test`.

use std::fmt::Write as _;
use std::time::Duration;

use weir_config::PluginKind;
use weir_model::{Clock, SystemClock};
use weir_pipeline::Value;
use weir_plugins::registry::{self, PLUGINS, PluginInfo};

use crate::cli::{ConfigArgs, PluginsArgs, SampleArgs, TestArgs};
use crate::settings;

/// The tables that are not plugins', commented.
const SAMPLE_HEAD: &str = include_str!("sample_head.toml");

/// `weir check`.
pub(crate) fn check(args: &ConfigArgs) -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings::read(args)?;
    for warning in &settings.warnings {
        eprintln!("{warning}");
    }
    let files = match settings.config.files.as_slice() {
        [] => "no file found: the built-in defaults".to_owned(),
        files => files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "),
    };
    println!("ok: {files}; {} inputs, {} warnings", settings.inputs.len(), settings.warnings.len());
    Ok(())
}

/// `weir config`.
pub(crate) fn sample(args: &SampleArgs) -> Result<(), Box<dyn std::error::Error>> {
    if args.plugins.is_empty() {
        print!("{SAMPLE_HEAD}");
        for plugin in &PLUGINS {
            print!("\n{}", plugin.sample);
        }
        return Ok(());
    }
    for (i, name) in args.plugins.iter().enumerate() {
        if i > 0 {
            println!();
        }
        print!("{}", find(name)?.sample);
    }
    Ok(())
}

/// `weir plugins`.
pub(crate) fn plugins(args: &PluginsArgs) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(name) = &args.plugin {
        print!("{}", find(name)?.readme);
        return Ok(());
    }
    for plugin in &PLUGINS {
        println!("{:<24} {}", format!("{}.{}", plugin.kind.section(), plugin.name), plugin.summary);
    }
    println!(
        "\n`weir plugins NAME` shows a plugin's measurements, tags and fields; `weir config NAME` a sample of its table."
    );
    Ok(())
}

fn find(name: &str) -> Result<&'static PluginInfo, String> {
    let (section, bare) = name.split_once('.').unwrap_or(("", name));
    let fits = |p: &&PluginInfo| p.name == bare && (section.is_empty() || p.kind.section() == section);
    PLUGINS.iter().find(fits).ok_or_else(|| {
        let hint = weir_config::hint(bare, PLUGINS.iter().map(|p| p.name));
        format!("there is no plugin {name:?}{hint}; `weir plugins` lists what there is")
    })
}

/// Pause between the two samples of inputs that report differences.
const PAUSE: Duration = Duration::from_millis(500);

/// `weir test`.
pub(crate) fn test(args: &TestArgs) -> Result<(), Box<dyn std::error::Error>> {
    let settings = settings::read(&args.config)?;
    for warning in &settings.warnings {
        eprintln!("{warning}");
    }
    let wanted: Option<Vec<&str>> = args.input_filter.as_deref().map(|f| f.split(':').collect());
    if let Some(unknown) =
        wanted.iter().flatten().find(|name| registry::find(PluginKind::Input, name).is_none())
    {
        return Err(find(&format!("inputs.{unknown}")).err().unwrap_or_default().into());
    }
    let clock = SystemClock::new();
    let mut inputs = Vec::new();
    let mut failed = 0;
    for planned in &settings.inputs {
        if wanted.as_ref().is_some_and(|names| !names.contains(&&*planned.spec.name)) {
            continue;
        }
        let mut input = (planned.spec.factory)()?;
        if let Err(error) = input.prime() {
            eprintln!("{}: {error}", planned.spec.name);
        }
        inputs.push((planned, input));
    }
    std::thread::sleep(PAUSE);
    for (planned, mut input) in inputs {
        let start = clock.now().0;
        let mut metrics = Vec::new();
        if let Err(error) = input.gather(&mut metrics) {
            eprintln!("{}: {error}", planned.spec.name);
            failed += 1;
        }
        let end = clock.now().0;
        for metric in metrics.into_iter().filter_map(|m| planned.spec.shape.apply(m, start, end)) {
            if let Some(line) = line(metric) {
                println!("> {line}");
            }
        }
    }
    if failed > 0 {
        Err(format!("{failed} of the inputs could not gather everything").into())
    } else {
        Ok(())
    }
}

/// A metric as line protocol with its fields in order.
fn line(mut metric: weir_pipeline::Metric) -> Option<String> {
    metric.fields.sort_by(|a, b| a.0.cmp(&b.0));
    metric.fields.retain(|(_, v)| !matches!(v, Value::Float(x) if !x.is_finite()));
    if metric.fields.is_empty() {
        return None;
    }
    let mut tags: Vec<(&str, &str)> =
        metric.tags.iter().map(|(k, v)| (&**k, &**v)).filter(|(_, v)| !v.is_empty()).collect();
    let mut out = weir_model::SeriesKey::new(&metric.name, &mut tags).as_str().to_owned();
    for (i, (name, value)) in metric.fields.iter().enumerate() {
        out.push(if i == 0 { ' ' } else { ',' });
        let name = name.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ");
        // Writing to a String cannot fail.
        let _ = match value {
            Value::Float(x) => write!(out, "{name}={x}"),
            Value::Integer(n) => write!(out, "{name}={n}i"),
            Value::Unsigned(n) => write!(out, "{name}={n}u"),
            Value::Boolean(b) => write!(out, "{name}={b}"),
            Value::String(s) => write!(out, "{name}=\"{}\"", s.replace('\\', "\\\\").replace('"', "\\\"")),
        };
    }
    let _ = write!(out, " {}", metric.time.unwrap_or(0));
    Some(out)
}
