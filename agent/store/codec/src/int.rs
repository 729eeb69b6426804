//! Integers: constant, constant step, frame of reference, segmented delta, delta of delta, dictionary.

use crate::bits::bits_of;
use crate::dictionary::{self, Distinct};
use crate::group::{self, Plan};
use crate::varint::{get_signed, get_u8, put_signed};
use crate::{CodecError, VALUES_MAX, id};

/// Appends the encoding of signed integers.
///
/// `runs` that do not add up to the number of values count as one run; decode with `&[]` then.
pub fn encode_i64(values: &[i64], runs: &[u32], out: &mut Vec<u8>) {
    encode(values, runs, true, out);
}

/// Appends the encoding of unsigned integers; `runs` as in [`encode_i64`].
pub fn encode_u64(values: &[u64], runs: &[u32], out: &mut Vec<u8>) {
    // The same 64 bits, read as signed: differences wrap, so nothing is lost.
    let signed: Vec<i64> = values.iter().map(|&v| v as i64).collect();
    encode(&signed, runs, true, out);
}

/// Appends `n` signed integers to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_i64(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<i64>) -> Result<usize, CodecError> {
    let (start, mut at) = (out.len(), 0);
    match decode(bytes, &mut at, n, runs, out) {
        Ok(()) => Ok(at),
        Err(e) => {
            out.truncate(start);
            Err(e)
        }
    }
}

/// Appends `n` unsigned integers to `out`; returns the bytes used.
///
/// # Errors
/// [`CodecError`].
pub fn decode_u64(bytes: &[u8], n: usize, runs: &[u32], out: &mut Vec<u64>) -> Result<usize, CodecError> {
    let mut signed = Vec::new();
    let used = decode_i64(bytes, n, runs, &mut signed)?;
    out.extend(signed.iter().map(|&v| v as u64));
    Ok(used)
}

/// Values in one run after the other. Zero-length runs are skipped.
pub(crate) fn each_run<'a>(values: &'a [i64], runs: &'a [u32]) -> impl Iterator<Item = &'a [i64]> {
    let mut rest = values;
    let whole = [values.len() as u32];
    let list = if runs.is_empty() { 0..1 } else { 0..runs.len() };
    list.filter_map(move |i| {
        let len = if runs.is_empty() { whole[0] } else { runs[i] } as usize;
        let (run, behind) = rest.split_at_checked(len)?;
        rest = behind;
        (!run.is_empty()).then_some(run)
    })
}

/// Whether `runs` describe `n` values.
pub(crate) fn runs_fit(runs: &[u32], n: usize) -> bool {
    runs.is_empty() || runs.iter().map(|&r| u64::from(r)).sum::<u64>() == n as u64
}

/// Encodes with the codecs for integers. `dictionary` = false leaves that one out.
pub(crate) fn encode(values: &[i64], runs: &[u32], dictionary: bool, out: &mut Vec<u8>) {
    let n = values.len();
    if n == 0 {
        return;
    }
    let runs = if runs_fit(runs, n) { runs } else { &[] };
    let (min, max) = group::min_max(values);
    if min == max {
        out.push(id::CONSTANT);
        put_signed(min, out);
        return;
    }
    let mut firsts = Vec::new();
    let mut deltas = Vec::with_capacity(n);
    for run in each_run(values, runs) {
        firsts.push(run[0]);
        deltas.extend(run.windows(2).map(|w| w[1].wrapping_sub(w[0])));
    }
    let (low, high) = group::min_max(&deltas);
    if low == high && firsts.len() == 1 {
        out.push(id::CONSTANT_STEP);
        put_signed(firsts[0], out);
        put_signed(low, out);
        return;
    }

    let mut reference = group::plan_plain(values);
    let first_plan = group::plan_plain(&firsts);
    let delta_plan = group::plan_patched(&deltas, group::plan_plain(&deltas));
    let delta_bits = first_plan.bits + delta_plan.bits;
    // Exceptions rarely save more than a third; when deltas are that much smaller, do not look for them.
    if reference.bits - reference.bits / 3 < delta_bits {
        reference = group::plan_patched(values, reference);
    }
    let mut best = reference.bits.min(delta_bits);

    let mut second = None;
    if delta_bits <= reference.bits && smoother(&deltas) {
        let plan = SecondDeltas::new(values, runs, first_plan);
        if plan.bits() < best - best / 20 {
            best = plan.bits();
            second = Some(plan);
        }
    }
    if dictionary
        && best > 10 * n
        && let Some(distinct) = Distinct::find(values, n / 4, |&v| v as u64)
    {
        let plan = group::plan_plain(&distinct.values);
        if plan.bits + distinct.code_bits(n) < best {
            out.push(id::DICTIONARY);
            distinct.write_len(out);
            group::write(&distinct.values, plan, out);
            distinct.write_codes(out);
            return;
        }
    }
    if let Some(plan) = second {
        plan.write(out);
    } else if reference.bits <= delta_bits {
        out.push(if reference.patched { id::REFERENCE_PATCHED } else { id::REFERENCE });
        group::write(values, reference, out);
    } else {
        out.push(if delta_plan.patched { id::DELTA_PATCHED } else { id::DELTA });
        group::write(&firsts, first_plan, out);
        group::write(&deltas, delta_plan, out);
    }
}

/// Whether the differences of deltas look narrower than the deltas, judged by the first of them.
fn smoother(deltas: &[i64]) -> bool {
    let sample = &deltas[..deltas.len().min(128)];
    if sample.len() < 4 {
        return false;
    }
    let (low, high) = group::min_max(sample);
    let second = sample.windows(2).map(|w| w[1].wrapping_sub(w[0]));
    let (mut low2, mut high2) = (i64::MAX, i64::MIN);
    for v in second {
        (low2, high2) = (low2.min(v), high2.max(v));
    }
    bits_of(high2.wrapping_sub(low2) as u64) < bits_of(high.wrapping_sub(low) as u64)
}

/// Delta of delta: per run its first value, its first delta, then differences of deltas.
struct SecondDeltas {
    firsts: Vec<i64>,
    first_deltas: Vec<i64>,
    seconds: Vec<i64>,
    plans: [Plan; 3],
}

impl SecondDeltas {
    fn new(values: &[i64], runs: &[u32], first_plan: Plan) -> Self {
        let (mut firsts, mut first_deltas, mut seconds) =
            (Vec::new(), Vec::new(), Vec::with_capacity(values.len()));
        for run in each_run(values, runs) {
            firsts.push(run[0]);
            if let [a, b, ..] = run {
                first_deltas.push(b.wrapping_sub(*a));
            }
            seconds.extend(
                run.windows(3).map(|w| w[2].wrapping_sub(w[1]).wrapping_sub(w[1].wrapping_sub(w[0]))),
            );
        }
        let second_plan = group::plan_patched(&seconds, group::plan_plain(&seconds));
        let plans = [first_plan, group::plan_plain(&first_deltas), second_plan];
        Self { firsts, first_deltas, seconds, plans }
    }

    fn bits(&self) -> usize {
        self.plans.iter().map(|p| p.bits).sum::<usize>() + 8
    }

    fn write(mut self, out: &mut Vec<u8>) {
        out.push(id::SECOND_DELTA);
        // This group always has a list of exceptions, be it empty.
        self.plans[2].patched = true;
        group::write(&self.firsts, self.plans[0], out);
        group::write(&self.first_deltas, self.plans[1], out);
        group::write(&self.seconds, self.plans[2], out);
    }
}

/// Decodes what [`encode`] wrote at `*at`.
pub(crate) fn decode(
    bytes: &[u8],
    at: &mut usize,
    n: usize,
    runs: &[u32],
    out: &mut Vec<i64>,
) -> Result<(), CodecError> {
    if n == 0 {
        return Ok(());
    }
    if n > VALUES_MAX || !runs_fit(runs, n) {
        return Err(CodecError::Count { n });
    }
    let offset = *at;
    match get_u8(bytes, at)? {
        id::CONSTANT => {
            let value = get_signed(bytes, at)?;
            out.resize(out.len() + n, value);
        }
        id::CONSTANT_STEP => {
            let mut value = get_signed(bytes, at)?;
            let step = get_signed(bytes, at)?;
            out.extend((0..n).map(|_| {
                let this = value;
                value = value.wrapping_add(step);
                this
            }));
        }
        id::REFERENCE => group::read_plain(bytes, at, n, out)?,
        id::REFERENCE_PATCHED => group::read_patched(bytes, at, n, out)?,
        codec @ (id::DELTA | id::DELTA_PATCHED) => {
            let starts = count_runs(runs, 1);
            let mut buffer = Vec::with_capacity(n);
            group::read_plain(bytes, at, starts, &mut buffer)?;
            if codec == id::DELTA {
                group::read_plain(bytes, at, n - starts, &mut buffer)?;
            } else {
                group::read_patched(bytes, at, n - starts, &mut buffer)?;
            }
            add_up(&buffer, starts, n, runs, out);
        }
        id::SECOND_DELTA => {
            let (starts, pairs) = (count_runs(runs, 1), count_runs_of(runs, n, 2));
            let mut buffer = Vec::with_capacity(n);
            group::read_plain(bytes, at, starts, &mut buffer)?;
            group::read_plain(bytes, at, pairs, &mut buffer)?;
            group::read_patched(bytes, at, n - starts - pairs, &mut buffer)?;
            add_up_twice(&buffer, starts, pairs, n, runs, out);
        }
        id::DICTIONARY => {
            let len = dictionary::read_len(bytes, at, n)?;
            let mut values = Vec::with_capacity(len);
            group::read_plain(bytes, at, len, &mut values)?;
            dictionary::read_codes(bytes, at, n, &values, out)?;
        }
        other => return Err(CodecError::UnknownCodec { id: other, offset }),
    }
    Ok(())
}

/// Runs of at least `least` values among `runs`; the one run of `&[]` counts (it is never empty here).
pub(crate) fn count_runs(runs: &[u32], least: u32) -> usize {
    if runs.is_empty() { 1 } else { runs.iter().filter(|&&r| r >= least).count() }
}

pub(crate) fn count_runs_of(runs: &[u32], n: usize, least: u32) -> usize {
    if runs.is_empty() { (n >= least as usize) as usize } else { count_runs(runs, least) }
}

/// Turns first values and deltas into values.
pub(crate) fn add_up(buffer: &[i64], starts: usize, n: usize, runs: &[u32], out: &mut Vec<i64>) {
    let (firsts, mut deltas) = buffer.split_at(starts);
    let mut firsts = firsts.iter();
    let mut run_of = |len: usize| {
        if len == 0 {
            return;
        }
        let mut value = firsts.next().copied().unwrap_or_default();
        let (run, rest) = deltas.split_at(len - 1);
        deltas = rest;
        out.push(value);
        out.extend(run.iter().map(|d| {
            value = value.wrapping_add(*d);
            value
        }));
    };
    if runs.is_empty() { run_of(n) } else { runs.iter().for_each(|&r| run_of(r as usize)) }
}

pub(crate) fn add_up_twice(
    buffer: &[i64],
    starts: usize,
    pairs: usize,
    n: usize,
    runs: &[u32],
    out: &mut Vec<i64>,
) {
    let (firsts, rest) = buffer.split_at(starts);
    let (first_deltas, mut seconds) = rest.split_at(pairs);
    let (mut firsts, mut first_deltas) = (firsts.iter(), first_deltas.iter());
    let mut run_of = |len: usize| {
        if len == 0 {
            return;
        }
        let mut value = firsts.next().copied().unwrap_or_default();
        out.push(value);
        if len == 1 {
            return;
        }
        let mut delta = first_deltas.next().copied().unwrap_or_default();
        value = value.wrapping_add(delta);
        out.push(value);
        let (run, rest) = seconds.split_at(len - 2);
        seconds = rest;
        out.extend(run.iter().map(|d| {
            delta = delta.wrapping_add(*d);
            value = value.wrapping_add(delta);
            value
        }));
    };
    if runs.is_empty() { run_of(n) } else { runs.iter().for_each(|&r| run_of(r as usize)) }
}
