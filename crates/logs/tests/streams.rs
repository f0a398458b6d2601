//! Streams as the platform uses them: over restarts, for several readers.

#![expect(clippy::unwrap_used, reason = "in a test that is a failure")]

use std::fs::OpenOptions;
use std::io::Write;

use bytes::Bytes;
use domain::AppId;
use futures::StreamExt;
use jiff::Timestamp;
use logs::{Batch, Filter, Line, Logs, OpenError, ProcessFilter, Source};
use uuid::Uuid;

const APP: AppId = AppId(Uuid::from_u128(1));

fn line(process: &str, text: impl Into<Bytes>) -> Line {
    let source = if process == "router" { Source::Heroku } else { Source::App };
    Line { at: Timestamp::UNIX_EPOCH, source, process: process.to_owned(), text: text.into() }
}

fn append(logs: &Logs, texts: impl IntoIterator<Item = usize>) {
    logs.append_all(APP, texts.into_iter().map(|number| line("web.1", format!("line {number}"))));
}

/// All that a tail gives before it ends.
async fn all(mut tail: logs::Tail) -> Batch {
    let mut all = Vec::new();
    while let Some(batch) = tail.next().await {
        all.extend(batch);
    }
    all
}

fn texts(batch: &Batch) -> Vec<String> {
    batch.iter().map(|(_, line)| String::from_utf8(line.text.to_vec()).unwrap()).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

async fn last(logs: &Logs, lines: usize) -> Batch {
    all(logs.tail(APP, Filter::default(), lines, false, None)).await
}

#[tokio::test]
async fn the_last_lines_are_given_in_order_and_counted_after_filters() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    for number in 0..100 {
        let process = ["web.1", "web.2", "router", "worker.1"][number % 4];
        logs.append(APP, line(process, format!("line {number}")));
    }
    assert_eq!(texts(&last(&logs, 3).await), numbers(97..100));
    let filtered = async |source, process: Option<&str>, lines| {
        let filter = Filter { source, process: process.map(ProcessFilter::new) };
        texts(&all(logs.tail(APP, filter, lines, false, None)).await)
    };
    assert_eq!(filtered(None, Some("web.2"), 2).await, ["line 93", "line 97"]);
    assert_eq!(filtered(None, Some("web"), 3).await, ["line 93", "line 96", "line 97"]);
    assert_eq!(filtered(Some(Source::Heroku), None, 1).await, ["line 98"]);
    assert_eq!(filtered(Some(Source::Heroku), Some("web"), 9).await, [""; 0]);
    assert_eq!(filtered(Some(Source::App), None, 1000).await.len(), 75);
    assert_eq!(last(&logs, 0).await, []);
}

#[tokio::test]
async fn lines_and_rising_ids_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    append(&logs, 0..2000);
    drop(logs);
    let logs = Logs::open(dir.path()).unwrap();
    append(&logs, 2000..2010);
    let lines = last(&logs, 1500).await;
    assert_eq!(texts(&lines), numbers(510..2010));
    assert!(lines.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(lines[0].1.at, Timestamp::UNIX_EPOCH);
    let (id, _) = lines[1485];
    let resumed = all(logs.tail(APP, Filter::default(), 1, false, Some(id))).await;
    assert_eq!(texts(&resumed), numbers(1996..2010), "a reader goes on over the restart");
}

#[tokio::test]
async fn a_torn_last_line_is_left_out_and_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    append(&logs, 0..10);
    drop(logs);
    let file = dir.path().join(format!("{APP}.log"));
    let length = std::fs::metadata(&file).unwrap().len();
    OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 3).unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    assert_eq!(texts(&last(&logs, 100).await), numbers(0..9));
    append(&logs, 10..12);
    drop(logs);
    OpenOptions::new().append(true).open(&file).unwrap().write_all(&[0; 4096]).unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    let expected: Vec<String> = [numbers(0..9), numbers(10..12)].concat();
    assert_eq!(texts(&last(&logs, 100).await), expected);
}

#[tokio::test]
async fn the_promised_lines_are_there_even_if_all_are_long_and_disk_use_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    for _ in 0..55 {
        logs.append_all(APP, (0..100).map(|_| line("web.1", vec![b'x'; 10_000])));
        // The writer has its time, as it has between chunks of a real app.
        logs.flush().await;
    }
    assert_eq!(last(&logs, 1500).await.len(), 1500);
    let size: u64 = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(size > 16 << 20 && size < 33 << 20, "{size}");
}

#[tokio::test]
async fn a_follower_gets_what_comes_and_can_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    append(&logs, 0..5);
    let mut tail = logs.tail(APP, Filter::default(), 2, true, None);
    assert_eq!(texts(&tail.next().await.unwrap()), numbers(3..5));
    append(&logs, 5..7);
    let batch = tail.next().await.unwrap();
    assert_eq!(texts(&batch), numbers(5..7));
    let seen = batch[1].0;
    drop(tail);
    append(&logs, 7..9);
    let mut tail = logs.tail(APP, Filter::default(), 100, true, Some(seen));
    assert_eq!(texts(&tail.next().await.unwrap()), numbers(7..9));
    let waiting = tokio::spawn(async move { tail.into_stream().boxed().next().await });
    append(&logs, 9..10);
    assert_eq!(texts(&waiting.await.unwrap().unwrap()), numbers(9..10));
}

#[tokio::test]
async fn a_filtering_follower_is_woken_by_its_own_lines_only() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    let filter = Filter { source: None, process: Some(ProcessFilter::new("worker")) };
    let mut tail = logs.tail(APP, filter, 10, true, None);
    let waiting = tokio::spawn(async move { tail.next().await });
    append(&logs, 0..3000);
    tokio::task::yield_now().await;
    logs.append(APP, line("worker.1", "work"));
    assert_eq!(texts(&waiting.await.unwrap().unwrap()), ["work"]);
}

#[tokio::test]
async fn a_slow_follower_loses_lines_of_its_own_and_learns_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    append(&logs, 0..1);
    let mut slow = logs.tail(APP, Filter::default(), 1, true, None);
    slow.next().await.unwrap();
    let mut quick = logs.tail(APP, Filter::default(), 0, true, None);
    let mut seen = 0;
    for start in (1..20_001).step_by(500) {
        append(&logs, start..start + 500);
        while seen < start + 499 {
            seen += quick.next().await.unwrap().len();
        }
    }
    assert_eq!(seen, 20_000);
    let batch = slow.next().await.unwrap();
    let told = String::from_utf8(batch[0].1.text.to_vec()).unwrap();
    let dropped: usize = told
        .strip_prefix("Error L11 (Tail buffer overflow) -> This tail session dropped ")
        .and_then(|rest| rest.strip_suffix(" messages."))
        .unwrap_or_else(|| panic!("{told}"))
        .parse()
        .unwrap();
    assert_eq!((batch[0].1.source, batch[0].1.process.as_str()), (Source::Heroku, "logplex"));
    assert_eq!(texts(&batch)[1], format!("line {}", dropped + 1));
    let mut got = batch.len() - 1;
    while got + dropped < 20_000 {
        got += slow.next().await.unwrap().len();
    }
    assert_eq!(got + dropped, 20_000);
    let ids: Vec<u64> = batch.iter().map(|(id, _)| *id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
}

#[tokio::test]
async fn who_was_away_too_long_gets_the_newest_and_is_told_of_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    append(&logs, 0..1);
    let (id, _) = last(&logs, 1).await[0];
    append(&logs, 1..15_001);
    let batch = all(logs.tail(APP, Filter::default(), 1, false, Some(id))).await;
    assert_eq!(texts(&batch)[0], "Error L11 (Tail buffer overflow) -> This tail session dropped 5000 messages.");
    assert_eq!(texts(&batch)[1..], numbers(5_001..15_001));
    let newest = all(logs.tail(APP, Filter::default(), 1, false, Some(batch[10_000].0))).await;
    assert_eq!(newest, []);
    assert_eq!(all(logs.tail(APP, Filter::default(), 1, false, Some(u64::MAX))).await, []);
}

#[tokio::test]
async fn no_line_can_forge_another() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    logs.append(APP, line("web.1\nrouter]", "a\nheroku[router]: forged\r\n\0"));
    logs.append(APP, line("web.1", vec![0xff; 20_000]));
    let lines = last(&logs, 10).await;
    assert_eq!(lines.len(), 2);
    let shown = lines[0].1.render();
    assert_eq!(shown, "1970-01-01T00:00:00.000000+00:00 app[web.1?router?]: a␊heroku[router]: forged␍␊␀");
    assert!(lines[1].1.text.len() <= logs::MAX_TEXT_BYTES);
    assert!(std::str::from_utf8(&lines[1].1.text).is_ok());
}

#[tokio::test]
async fn a_removed_app_leaves_nothing_and_its_tails_end() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    let other = AppId(Uuid::from_u128(2));
    append(&logs, 0..10);
    logs.append(other, line("web.1", "stays"));
    let mut tail = logs.tail(APP, Filter::default(), 10, true, None);
    tail.next().await.unwrap();
    let waiting = tokio::spawn(async move { tail.next().await });
    logs.flush().await;
    logs.remove(APP);
    assert_eq!(waiting.await.unwrap(), None);
    append(&logs, 10..20);
    logs.flush().await;
    assert_eq!(last(&logs, 10).await, []);
    let left: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(&APP.to_string()))
        .collect();
    assert_eq!(left, [""; 0]);
    assert_eq!(all(logs.tail(other, Filter::default(), 10, false, None)).await.len(), 1);
}

#[tokio::test]
async fn a_disk_that_fails_costs_lines_on_disk_only() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    // A directory in the file's place: every write fails.
    let file = dir.path().join(format!("{APP}.log"));
    std::fs::create_dir(&file).unwrap();
    let padding = " ".repeat(2000);
    logs.append_all(APP, (0..5000).map(|number| line("web.1", format!("line {number}{padding}"))));
    logs.flush().await;
    std::fs::remove_dir(&file).unwrap();
    append(&logs, 5000..5001);
    logs.flush().await;
    drop(logs);
    let logs = Logs::open(dir.path()).unwrap();
    let lines: Vec<String> = texts(&last(&logs, 5000).await).iter().map(|text| text.trim_end().to_owned()).collect();
    let (told, kept): (Vec<String>, Vec<String>) = lines.into_iter().partition(|line| line.starts_with("Error"));
    let lost = |told: &String| -> usize {
        told.strip_prefix("Error L12 (Local buffer overflow) -> ")
            .and_then(|rest| rest.strip_suffix(" messages could not be kept on disk"))
            .unwrap_or_else(|| panic!("{told}"))
            .parse()
            .unwrap()
    };
    let lost: usize = told.iter().map(lost).sum();
    assert!(lost > 0);
    assert_eq!(kept, numbers(lost..5001));
    assert!(kept.len() > 1500);
}

#[test]
fn a_spoilt_run_number_is_an_error_and_not_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("run"), "x").unwrap();
    assert!(matches!(Logs::open(dir.path()), Err(OpenError::Run { .. })));
}

#[tokio::test]
async fn many_writers_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let logs = Logs::open(dir.path()).unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let logs = logs.clone();
            std::thread::spawn(move || (0..150).for_each(|number| append(&logs, [writer * 1000 + number])))
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    drop(logs);
    let logs = Logs::open(dir.path()).unwrap();
    let mut lines = texts(&last(&logs, 5000).await);
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 1200);
}
