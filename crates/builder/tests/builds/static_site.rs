//! What a static site is: which folder is served, static.json, and what of it
//! is refused when it is built.

use builder::{BuildLimits, Rejection};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, Case, Outcome, example, new_app, tar_of, test_app};
use crate::cases::assert_rejected;

pub(crate) const ALL: [(&str, Case); 4] = [
    ("static_site_is_served", |bench| Box::pin(served(bench))),
    ("static_site_without_static_json_is_served", |bench| Box::pin(bare(bench))),
    ("static_json_is_followed_in_heroku_s_order", |bench| Box::pin(static_json(bench))),
    ("static_json_that_makes_no_sense_is_refused", |bench| Box::pin(refusals(bench))),
];

async fn build(bench: &Bench, files: &[(&str, &str)]) -> Outcome {
    let builder = bench.builder(BuildLimits::default());
    bench.build_tar(&builder, new_app(), tar_of(files), &[], &CancellationToken::new()).await
}

/// Whether the answer has this status and these words, in any case.
#[track_caller]
fn assert_answer(answer: &str, status: &str, words: &str) {
    let is_right = answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.to_lowercase().contains(words);
    assert!(is_right, "{status} and `{words}` were expected of:\n{answer}");
}

async fn served(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let outcome = bench.build(&builder, new_app(), &example("static-site"), &[]).await;
    outcome.says("-----> Static HTML app detected\n");
    outcome.says("       Procfile declares types     -> (none)\n       Default types for buildpack -> web\n");
    let built = outcome.built();
    let paths = ["/", "/style.css", "/about", "/home", "/absent", "/../../../etc/passwd", "/..%2f..%2fetc/passwd"];
    let answers = bench.answers(&built, &paths).await;
    let expected = [
        ("200 OK", "text/html; charset=utf-8"),
        ("200 OK", "cache-control: public, max-age=600"),
        ("200 OK", "<h1>about</h1>"),
        ("302 ", "location: /\r\n"),
        ("404 ", "text/plain; charset=utf-8"),
        ("400 ", ""),
        ("400 ", ""),
    ];
    for (answer, (status, words)) in answers.iter().zip(expected) {
        assert_answer(answer, status, words);
    }
}

async fn bare(bench: &Bench) {
    // A Rakefile is no Ruby.
    let files = [
        ("index.html", "<p>bare"),
        ("Rakefile", "task :x"),
        (".secret", "x"),
        (".well-known/x", "known"),
        ("Procfile", "worker: true"),
        ("sub/index.html", "sub"),
    ];
    let built = build(bench, &files).await.built();
    let paths = ["/", "/.secret", "/.heroku/static/serve", "/Procfile", "/.well-known/x", "/sub"];
    let answers = bench.answers(&built, &paths).await;
    assert!(answers[0].ends_with("<p>bare"), "{answers:?}");
    for hidden in &answers[1..4] {
        assert_answer(hidden, "404 ", "not found");
    }
    assert_answer(&answers[4], "200 ", "known");
    assert_answer(&answers[5], "301 ", "location: /sub/\r\n");

    let public = build(bench, &[("public_html/index.html", "<p>public"), ("README", "")]).await;
    public.says("       Serving public_html with nginx\n");
    let marked = build(bench, &[(".static", ""), ("page.html", "<p>page")]).await;
    marked.says(" !     Warning: there is no index.html in the app's root, so / will not be found\n");
    let answers = bench.answers(&marked.built(), &["/page.html", "/"]).await;
    assert!(answers[0].ends_with("<p>page"), "{answers:?}");
    assert_answer(&answers[1], "404 ", "not found");
}

async fn static_json(bench: &Bench) {
    let builder = bench.builder(BuildLimits::default());
    let built = bench.build(&builder, new_app(), &test_app("static-full"), &[]).await.built();
    let config = [("ELSEWHERE", "https://else.example/a\"b$host"), ("BACKEND", "127.0.0.1:9")];
    let https = "X-Forwarded-Proto: https\r\n";
    let gzip = "X-Forwarded-Proto: https\r\nAccept-Encoding: gzip\r\n";
    let range = "X-Forwarded-Proto: https\r\nRange: bytes=3-6\r\n";
    let cases = [
        ("/docs/page", "X-Forwarded-Proto: http\r\n", "301 ", "location: https://test/docs/page\r\n"),
        // Files come first, then redirects, then routes; a route of a folder is an exception.
        ("/docs/page.html", https, "200 ", "<p>page"),
        ("/docs/page", https, "200 ", "x-page: page\r\n"),
        ("/old/x", https, "302 ", "location: /docs/\r\n"),
        ("/away", https, "301 ", "location: https://else.example/a\"b$host/in\r\n"),
        ("/any/where", https, "200 ", "<p>index"),
        ("/any/where", https, "200 ", "x-price: \"5\" $host\r\n"),
        ("/assets/absent.css", https, "404 ", "<p>gone"),
        ("/assets/app.mjs", https, "200 ", "content-type: text/javascript; charset=utf-8\r\n"),
        ("/assets/long.css", gzip, "200 ", "content-encoding: gzip\r\n"),
        ("/docs/page.html", range, "206 ", "\r\n\r\npage"),
        // Nothing listens there.
        ("/api/x", https, "502 ", ""),
    ];
    let requests = cases.map(|(path, headers, _, _)| (path, headers));
    let answers = bench.answers_to(&built, &config, &requests).await;
    for (answer, (_, _, status, words)) in answers.iter().zip(cases) {
        assert_answer(answer, status, words);
    }
    assert!(!answers[2].contains("X-Any"), "only the last path that fits counts: {}", answers[2]);
    let tag = answers[1].lines().find_map(|line| line.strip_prefix("ETag: ")).expect("an ETag");
    let known = format!("{https}If-None-Match: {tag}\r\n");
    let again = bench.answers_to(&built, &config, &[("/docs/page.html", &known)]).await;
    assert_answer(&again[0], "304 ", "");

    let password = [("BASIC_AUTH_USERNAME", "ada"), ("BASIC_AUTH_PASSWORD", "pass:word")];
    let given = format!("{https}Authorization: Basic YWRhOnBhc3M6d29yZA==\r\n");
    let answers = bench.answers_to(&built, &password, &[("/", https), ("/", &given)]).await;
    assert_answer(&answers[0], "401 ", "");
    assert_answer(&answers[1], "200 ", "<p>index");
}

async fn refusals(bench: &Bench) {
    let cases = [
        ("{", "static.json: this is no JSON: "),
        ("[]", "static.json: this must be a JSON object"),
        (r#"{"root": "dist"}"#, "static.json: the folder `dist`, which is to be served, does not exist"),
        (r#"{"root": "../../etc"}"#, "static.json: the folder `etc`, which is to be served, does not exist"),
        (r#"{"root": ".", "redirects": {"/a": {"url": "/b", "status": 200}}}"#, "200 is no status of a redirect"),
        (r#"{"root": ".", "headers": {"/": {"X: y": "z"}}}"#, "`X: y` is no name of a header"),
        (r#"{"root": ".", "headers": {"/": {"X": "a\nb"}}}"#, "X must be a text of one line"),
        (r#"{"root": ".", "proxies": {"/a": {"origin": "unix:/x"}}}"#, "must begin with http:// or https://"),
        (r#"{"root": ".", "logging": {"error": "loud"}}"#, "`logging.error` must be one of debug, "),
    ];
    for (text, words) in cases {
        let outcome = build(bench, &[("static.json", text)]).await;
        outcome.says(words);
        assert_rejected(&outcome.result, &Rejection::CompileFailed("Static HTML".to_owned()));
    }
}
