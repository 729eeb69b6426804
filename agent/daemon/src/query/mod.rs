//! `weir query`: one statement, or a shell.

mod chart;
mod client;
mod table;

use std::path::Path;

use serde_json::Value;

use self::client::Server;
use crate::cli::{Format, QueryArgs};

type Failure = Box<dyn std::error::Error>;

/// Runs the command.
pub(crate) fn run(args: &QueryArgs) -> Result<(), Failure> {
    let token = match &args.token {
        Some(token) => Some(token.clone()),
        None => operator_token(&args.data),
    };
    let server = Server::new(&args.url, token)?;
    match &args.statement {
        Some(statement) => ask(&server, &args.db, statement, args.format),
        None => shell(&server, args),
    }
}

/// The operator token of a data directory, if it can be read from here.
fn operator_token(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("operator.token")).ok()?;
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

fn ask(server: &Server, db: &str, statement: &str, format: Format) -> Result<(), Failure> {
    let accept = if format == Format::Csv { "application/csv" } else { "application/json" };
    let answer = server.query(db, statement, accept)?;
    match format {
        Format::Json | Format::Csv => {
            print!("{answer}");
            Ok(())
        }
        Format::Table | Format::Chart => show(&answer, format),
    }
}

/// Prints every series of an answer; statement errors are the command's error.
fn show(answer: &str, format: Format) -> Result<(), Failure> {
    let answer: Value =
        serde_json::from_str(answer).map_err(|e| format!("the answer is no JSON ({e}): {answer:.200}"))?;
    let mut errors = Vec::new();
    let mut shown = 0;
    for result in answer["results"].as_array().into_iter().flatten() {
        if let Some(error) = result["error"].as_str() {
            errors.push(error.to_owned());
        }
        for message in result["messages"].as_array().into_iter().flatten() {
            eprintln!(
                "{}: {}",
                message["level"].as_str().unwrap_or("note"),
                message["text"].as_str().unwrap_or_default()
            );
        }
        for series in result["series"].as_array().into_iter().flatten() {
            if shown > 0 {
                println!();
            }
            shown += 1;
            println!("{}", heading(series));
            match format {
                Format::Chart => print!("{}", chart::draw(series)),
                _ => print!("{}", table::draw(series)),
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors.join("\n").into());
    }
    if shown == 0 {
        println!("(no rows)");
    }
    Ok(())
}

/// Name and tags of a series.
fn heading(series: &Value) -> String {
    let mut out = format!("# {}", series["name"].as_str().unwrap_or_default());
    for (key, value) in series["tags"].as_object().into_iter().flatten() {
        out.push_str(&format!("  {key}={}", value.as_str().unwrap_or_default()));
    }
    out
}

fn shell(server: &Server, args: &QueryArgs) -> Result<(), Failure> {
    let version = server.ping()?;
    println!(
        "Connected to {} (version {version}), database {}. \"help\" lists the commands.",
        args.url, args.db
    );
    let mut editor = rustyline::DefaultEditor::new()?;
    let history = std::env::var_os("HOME").map(|home| Path::new(&home).join(".weir_history"));
    if let Some(path) = &history {
        // The first time there is none.
        let _ = editor.load_history(path);
    }
    let (mut db, mut format) = (args.db.clone(), args.format);
    loop {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            Err(rustyline::error::ReadlineError::Interrupted) => continue,
            Err(rustyline::error::ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        };
        let statement = line.trim().trim_end_matches(';');
        if statement.is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(line.as_str());
        let mut words = statement.split_whitespace();
        match (words.next().unwrap_or_default().to_ascii_lowercase().as_str(), words.next()) {
            ("quit" | "exit", None) => break,
            ("help", None) => println!(
                "use NAME                       ask this database from now on\n\
                 format table|json|csv|chart    show answers like this\n\
                 quit                           leave (or Ctrl-D)\n\
                 anything else                  is asked as InfluxQL, such as SHOW MEASUREMENTS"
            ),
            ("use", Some(name)) => {
                db = name.trim_matches('"').to_owned();
                println!("using database {db}");
            }
            ("format", Some(name)) => match <Format as clap::ValueEnum>::from_str(name, true) {
                Ok(new) => format = new,
                Err(_) => println!("formats are table, json, csv and chart"),
            },
            _ => {
                if let Err(error) = ask(server, &db, statement, format) {
                    eprintln!("error: {error}");
                }
            }
        }
    }
    if let Some(path) = &history
        && let Err(error) = editor.save_history(path)
    {
        eprintln!("the history could not be kept in {}: {error}", path.display());
    }
    Ok(())
}
