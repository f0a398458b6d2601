//! One-off dynos with a client at the other end.

use runtime::{Attachment, Runtime, Stdio, TerminalSize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::machine::{Machine, Wish, script, within};

fn attached(text: &str, terminal: Option<TerminalSize>) -> Wish {
    let mut wish = script(text);
    wish.stdio = Stdio::Attached { terminal };
    wish
}

const SIZE: TerminalSize = TerminalSize { columns: 132, rows: 43 };

async fn read_until(attachment: &mut Attachment, text: &str) -> String {
    let mut said = String::new();
    let mut buffer = [0; 1024];
    while !said.contains(text) {
        let length = within(attachment.output.read(&mut buffer)).await.unwrap();
        assert_ne!(length, 0, "ended after: {said}");
        said.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    said
}

#[tokio::test]
async fn a_terminal_has_its_size_its_job_control_and_its_status() {
    let Some(mut machine) = Machine::new().await else { return };
    let (id, started) = machine.start(attached("stty size; tty; read line; echo got:$line; exit 5", Some(SIZE))).await;
    let mut attachment = started.attachment.unwrap();
    read_until(&mut attachment, "/dev/pts/0").await;
    attachment.input.write_all(b"hello\n").await.unwrap();
    let mut rest = String::new();
    within(attachment.output.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.contains("got:hello"), "{rest}");
    assert_eq!(machine.until_exit(id).await.code(), 5);

    // A shell without a trap may lose a Ctrl-C between two commands.
    let command = "stty size; trap 'exit 130' INT; echo ready; while :; do sleep 1; done";
    let (id, started) = machine.start(attached(command, Some(SIZE))).await;
    let mut attachment = started.attachment.unwrap();
    read_until(&mut attachment, "ready").await;
    attachment.input.write_all(b"\x03").await.unwrap();
    assert!(machine.until_exit(id).await.exit.is_some(), "the terminal turned Ctrl-C into a signal");
}

#[tokio::test]
async fn pipes_carry_end_of_file_and_keep_the_order_of_both_streams() {
    let Some(mut machine) = Machine::new().await else { return };
    let text = "cat; echo err >&2; echo out; echo dev > /dev/stdout; exit 4";
    let (id, started) = machine.start(attached(text, None)).await;
    let Attachment { mut input, mut output } = started.attachment.unwrap();
    input.write_all(b"from outside\n").await.unwrap();
    input.shutdown().await.unwrap();
    let mut said = String::new();
    within(output.read_to_string(&mut said)).await.unwrap();
    assert_eq!(said, "from outside\nerr\nout\ndev\n");
    assert_eq!(machine.until_exit(id).await.code(), 4);
}

#[tokio::test]
async fn a_client_that_goes_away_hangs_the_dyno_up() {
    let Some(mut machine) = Machine::new().await else { return };
    for terminal in [Some(SIZE), None] {
        // Without its stderr bash can't trip over the closed pipe while it tells of the child's end.
        let text = "exec 2>/dev/null; trap 'exit 42' HUP; echo up; while :; do sleep 0.02; done";
        let (id, started) = machine.start(attached(text, terminal)).await;
        let mut attachment = started.attachment.unwrap();
        read_until(&mut attachment, "up").await;
        drop(attachment);
        assert_eq!(machine.until_exit(id).await.code(), 42);
        machine.runtime().remove(id).await.unwrap();
    }
    // The server's death is the same to it.
    let (id, started) = machine
        .start(attached("exec 2>/dev/null; trap 'exit 43' HUP; echo up; while :; do sleep 0.02; done", None))
        .await;
    let mut attachment = started.attachment.unwrap();
    read_until(&mut attachment, "up").await;
    machine.drop_server().await;
    drop(attachment);
    machine.start_server().await;
    assert_eq!(machine.until_exit(id).await.code(), 43);
}
