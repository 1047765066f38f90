//! What is the same on each database: mistakes, imports, and scripts that mean harm.

use super::super::either::imports::library;
use super::place;
use crate::place::{Place, given};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

fn migrating(script: &str) -> Place {
    place()
        .with_sql("0001_t.sql", "CREATE TABLE t (id BIGINT UNIQUE);")
        .with_sql("0002_bad.py", script)
}

#[test]
fn an_exception_is_told_with_file_line_column_and_stack() {
    let place = migrating(
        "def migrate(db):\n    helper(db.value('SELECT max(id) FROM t'))\n\n\ndef helper(name):\n    return name.upper()\n",
    );
    place.run(&["migrate"]).ends_with(1).and_says(
        "AttributeError: 'NoneType' object has no attribute 'upper' (0002_bad.py, line 6, column 12, in helper)",
    );
    place
        .run(&["history", "--output"])
        .ends_with(0)
        .and_says("migrate (0002_bad.py:2:5)");
    migrating("def migrate(db):\n    for _ in 1, 2:\n        db.execute('INSERT INTO t (id) VALUES ($1)', [1])\n")
        .run(&["migrate"])
        .ends_with(1)
        .and_says("(0002_bad.py, line 3, column 9, in migrate)")
        .and_says("INSERT INTO t (id) VALUES");
}

#[test]
fn what_cannot_be_read_refuses_the_run_before_anything_changes() {
    for (script, says) in [
        ("def migrate(db:\n    pass\n", "0002_bad.py, line 1"),
        ("x = 1\n", "neither a function `migrate`"),
        ("migrate = 7\n", "neither a function `migrate`"),
        (
            "from django.db import migrations\n",
            "a script may import 'wasmigrate'",
        ),
        (
            "import requests\ndef migrate(db): pass\n",
            "a script may import 'wasmigrate'",
        ),
        (
            "from lib.missing import x\ndef migrate(db): pass\n",
            "No module named 'lib",
        ),
        (
            "raise ValueError('at once')\n",
            "ValueError: at once (0002_bad.py, line 1",
        ),
        (
            "def migrate(db): pass\nreset = 1\n",
            "`reset` is no function",
        ),
        (
            "def migrate(db): pass\ntransactional = 1\n",
            "True or False",
        ),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
    ] {
        let place = migrating(script);
        place
            .run(&["migrate"])
            .ends_with(2)
            .and_says("0002_bad")
            .and_says(says);
        assert!(!place.has_table("t"), "{script}");
    }
}

#[test]
fn a_script_imports_from_the_library_and_nothing_else() {
    let place = migrating(
        "import re, json, decimal, datetime, unicodedata, hashlib, csv, html, math, statistics, textwrap, uuid\n\
         from lib.deep.join import (\n    join as joined,  # in words\n)\nimport lib.text as text\n\n\
         def migrate(db):\n    \
         db.execute('CREATE TABLE words (word TEXT)')\n    \
         parsed = datetime.datetime.strptime('2026-11-30', '%Y-%m-%d').date()\n    \
         digest = hashlib.sha256(b'a').hexdigest()[:4]\n    \
         db.load('words', ['word'], [(text.twice(joined('a', 'b')),), (unicodedata.normalize('NFC', 'u\\u0308'),), (parsed,), (digest,)])\n",
    );
    library(
        &place,
        "text.py",
        "def twice(text):\n    return text + text\n",
    );
    library(
        &place,
        "deep/join.py",
        "from ..text import twice\nfrom . import sign\n\ndef join(*parts):\n    return sign.SIGN.join(parts)\n",
    );
    library(&place, "deep/sign.py", "SIGN = '-'\n");
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(
        place.texts("SELECT word FROM words"),
        ["a-ba-b", "ü", "2026-11-30", "ca97"]
    );
    library(&place, "deep/sign.py", "SIGN = '+'\n");
    place.run(&["verify"]).ends_with(2).and_says("0002_bad");
    library(&place, "deep/sign.py", "SIGN = 1 / 0\n");
    place.run(&["migrate", "--allow-changed"]).ends_with(0);
    let place = migrating("from lib.broken import x\n\ndef migrate(db): pass\n");
    library(&place, "broken.py", "\nx = 1 / 0\n");
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("(lib/broken.py, line 2, column 5)");
}

#[test]
fn what_never_ends_ends_with_the_deadline() {
    for body in [
        "while True: pass",
        "import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
        "sum(iter(int, 1))",
        "import time; time.sleep(1000)",
        "eval('[x for x in iter(int, 1)]') if False else exec('while True: pass')",
    ] {
        migrating(&format!("def migrate(db):\n    {body}\n"))
            .with_variable("WASMIGRATE_LIMITS_DEADLINE_SECONDS", "3")
            .run(&["migrate"])
            .ends_with(1)
            .and_says("limits.deadline_seconds");
    }
    migrating("while True: pass\n")
        .with_variable("WASMIGRATE_LIMITS_DEADLINE_SECONDS", "3")
        .run(&["migrate"])
        .ends_with(2)
        .and_says("what stands outside of its functions is not done after 3 s");
}

#[test]
fn memory_ends_at_its_limit() {
    for body in [
        "kept = []\n    while True: kept.append(bytearray(1 << 20))",
        "text = 'x'\n    while True: text += text",
        "kept = {}\n    for i in range(1 << 40): kept[i] = [i]",
        "'x' * (1 << 31)",
        "2 ** (1 << 34)",
        "[0] * (1 << 40)",
    ] {
        let said = migrating(&format!("def migrate(db):\n    {body}\n"))
            .with_variable("WASMIGRATE_LIMITS_MEMORY_MIB", "128")
            .run(&["migrate"])
            .ends_with(1);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(
            ["limits.memory_mib", "MemoryError", "OverflowError"]
                .iter()
                .any(|cause| text.contains(cause)),
            "{body}: {said:#?}"
        );
    }
}

#[test]
fn recursion_ends_with_an_error() {
    for body in [
        "migrate(db)",
        "import sys; sys.setrecursionlimit(10 ** 9); migrate(db)",
        "import json; json.loads('[' * 100000)",
        "eval('(' * 100000)",
        "nested = []\n    for _ in range(1000000): nested = [nested]\n    repr(nested)",
    ] {
        let said = migrating(&format!("def migrate(db):\n    {body}\n"))
            .run(&["migrate"])
            .ends_with(1);
        let text = format!("{}{}", said.stdout, said.stderr);
        assert!(
            [
                "limits.stack_kib",
                "limits.memory_mib",
                "RecursionError",
                "SyntaxError",
                "MemoryError"
            ]
            .iter()
            .any(|cause| text.contains(cause)),
            "{body}: {said:#?}"
        );
    }
}

#[test]
fn a_script_reaches_nothing_but_its_database() {
    for body in [
        "open('/etc/passwd')",
        "import os; os.listdir('/')",
        "import os; os.environ['HOME']",
        "import os; os.system('true')",
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import subprocess; subprocess.run(['true'])",
        "import ctypes",
        "__import__('threading').Thread(target=print).start()",
    ] {
        let said = migrating(&format!("def migrate(db):\n    {body}\n")).run(&["migrate"]);
        assert_eq!(said.status, Some(1), "{body}: {said:#?}");
    }
    // What one script breaks, the next one has whole.
    let place = migrating(
        "import builtins, json\n\ndef migrate(db):\n    builtins.len = json.dumps = None\n    type(db).load = None\n    \
         db.execute('INSERT INTO t VALUES (1)')\n",
    )
    .with_sql(
        "0003_next.py",
        "import json\n\ndef migrate(db):\n    db.load('t', ['id'], [(len(json.dumps([])),)] * 1)\n",
    );
    place.run(&["migrate"]).ends_with(0);
    assert_eq!(place.one::<i64>("SELECT sum(id) FROM t"), 3);
}

#[test]
fn a_step_in_python_is_begun_with_its_types_and_runs() {
    let place = place();
    place
        .run(&["new", "It's Added", "--lang", "py", "--reset"])
        .ends_with(0)
        .and_says("made migrations/0001_it_s_added.py")
        .and_says("made migrations/wasmigrate.pyi");
    place
        .run(&["migrate"])
        .ends_with(0)
        .and_says("nothing to do yet");
    place.run(&["reset"]).ends_with(0);
    place.run(&["finalize"]).ends_with(0);
}

#[test]
fn a_runner_is_installed_from_an_address() {
    let bytes = std::fs::read(given("WASMIGRATE_PYTHON_RUNNER")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Where releases are kept, addresses lead to others.
    let serving = std::thread::spawn(move || {
        for answer in [
            format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{address}/here\r\nContent-Length: 0\r\n\r\n"
            )
            .into_bytes(),
            [
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes(),
                &bytes,
            ]
            .concat(),
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.push(byte[0]);
            }
            stream.write_all(&answer).unwrap();
        }
    });
    let place = Place::new().with_own_cache();
    let source = format!("http://{address}/python.wasm");
    place
        .run(&["runner", "install", &source])
        .ends_with(0)
        .and_says("installed");
    place
        .run(&["runner", "list"])
        .ends_with(0)
        .and_says("not compiled yet");
    place
        .run(&["runner", "install", &source])
        .ends_with(2)
        .and_says("the answer is 404");
    serving.join().unwrap();
}

#[test]
fn without_its_runner_a_step_in_python_is_refused_with_the_way_out() {
    let place = Place::new().with_own_cache().with_sql(
        "0001_a.py",
        "def migrate(db):\n    db.execute('CREATE TABLE a (x BIGINT)')\n",
    );
    place
        .run(&["migrate"])
        .ends_with(2)
        .and_says("`wasmigrate runner install SOURCE`");
    place
        .run(&["runner", "list"])
        .ends_with(0)
        .and_says("the runner of Python is not installed");
    let other = place.path().join("other.wasm");
    std::fs::write(&other, "other").unwrap();
    place
        .run(&["runner", "install", other.to_str().unwrap()])
        .ends_with(2)
        .and_says("this is not the runner of Python that this wasmigrate takes");
    let runner = given("WASMIGRATE_PYTHON_RUNNER");
    place
        .run(&["runner", "install", runner.to_str().unwrap()])
        .ends_with(0);
    place.run(&["runner", "warm"]).ends_with(0);
    let listed = place.run(&["runner", "list", "--json"]).json();
    for listed in listed["runners"].as_array().unwrap() {
        assert_eq!(listed["is_compiled"], true, "{listed}");
    }
    place.run(&["migrate"]).ends_with(0);
    assert!(place.has_table("a"));
}
