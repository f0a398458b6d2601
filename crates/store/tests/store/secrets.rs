//! What a thief of the database file learns.

use domain::Secret;

use store::StoreError;

use crate::support::{at, changes, home, raw, stored_bytes};

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_files_hold_no_secret() {
    let home = home().await;
    let app = home.app("one").await;
    let mut secrets = Vec::new();
    for number in 0..20 {
        let value = format!("config-secret-{number:04}-{}", "s3cr3t".repeat(number));
        let set = changes(&[(&format!("SEALED_NAME_{number}"), Some(&value))]);
        home.releases().with_config_change(app.id, &set, app.owner, "Set one", at(3)).await.unwrap();
        secrets.extend([value, format!("SEALED_NAME_{number}")]);
    }
    for number in 0..3 {
        let password = format!("correct horse {number}");
        let email = format!("p{number}@example.com").parse().unwrap();
        home.accounts().create(&email, None, Some(&Secret::new(&*password)), false, at(3)).await.unwrap();
        secrets.push(password);
    }
    for _ in 0..10 {
        let (_, key) = home.api_keys().create(app.owner, "key", None, at(3)).await.unwrap();
        secrets.push(key.expose().trim_start_matches("HRKU-").to_owned());
        secrets.push(home.sources().create(at(3)).await.unwrap().secret.expose().to_owned());
    }
    let open = stored_bytes(&home);
    home.store.close().await;
    let closed = stored_bytes(&home);
    for bytes in [open, closed] {
        assert!(holds(&bytes, b"one@example.com"), "the files were read");
        for secret in &secrets {
            assert!(!holds(&bytes, secret.as_bytes()), "`{secret}` lies in the open");
            assert!(!holds(&bytes, hex(secret).as_bytes()), "`{secret}` lies in the open as hex");
        }
    }
}

#[tokio::test]
async fn errors_and_debug_texts_hold_no_key() {
    let home = home().await;
    let path = home.dir.path().join("keys");
    let keys = store::MasterKeys::open_or_create(&path).unwrap();
    let text = std::fs::read_to_string(path.join("config.keys")).unwrap();
    let (id, key) = text.trim().split_once(' ').unwrap();
    let shown = format!("{keys:?}");
    assert!(shown.contains(id) && !shown.contains(key), "{shown}");
}

#[tokio::test]
async fn sealed_config_that_was_moved_to_another_release_does_not_open() {
    let home = home().await;
    let app = home.app("one").await;
    let set = changes(&[("A", Some("1"))]);
    let (old, _) = home.releases().with_config_change(app.id, &set, app.owner, "Set A", at(3)).await.unwrap();
    let (new, _) = home.releases().with_config_change(app.id, &set, app.owner, "Set A", at(4)).await.unwrap();
    sqlx::query("UPDATE release_configs SET sealed = (SELECT sealed FROM release_configs WHERE release = $1) WHERE release = $2")
        .bind(old.id.to_string())
        .bind(new.id.to_string())
        .execute(&mut raw(home.dir.path()).await)
        .await
        .unwrap();
    assert!(home.releases().config(old.id).await.is_ok());
    assert!(matches!(home.releases().config(new.id).await, Err(StoreError::Seal(_))));
}
