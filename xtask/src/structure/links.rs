//! What the documentation must keep: every link leads somewhere, and every page is in the index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{root, sources};

/// The index of the documentation.
const INDEX: &str = "docs/README.md";

/// A page of documentation.
struct Page {
    /// Its headings, as a browser finds them behind `#`.
    anchors: BTreeSet<String>,
    /// The lines that hold links, with their numbers and the addresses.
    links: Vec<(usize, String)>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self {
            anchors: BTreeSet::new(),
            links: Vec::new(),
        };
        let mut is_code = false;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                if let Some(heading) = heading(line) {
                    page.add_anchor(&anchor(heading));
                }
                let found = links(line).into_iter().map(|link| (number, link));
                page.links.extend(found);
            }
        }
        page
    }

    /// A heading that is there already gets a number.
    fn add_anchor(&mut self, anchor: &str) {
        let mut name = anchor.to_owned();
        let mut repeated = 0;
        while !self.anchors.insert(name) {
            repeated += 1;
            name = format!("{anchor}-{repeated}");
        }
    }
}

/// The text of a heading.
fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    (1..=6)
        .contains(&level)
        .then(|| text.strip_prefix(' '))
        .flatten()
}

/// What GitHub makes of a heading: lower case, without punctuation, with hyphens for spaces.
fn anchor(heading: &str) -> String {
    // Of a link, its text is shown.
    let mut shown = String::new();
    let mut rest = heading.trim();
    while let Some((before, after)) = rest.split_once("](") {
        shown.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    shown.push_str(rest);
    shown
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// The addresses of the links and pictures in a line, outside of code.
fn links(line: &str) -> Vec<String> {
    let mut prose = String::new();
    for (number, part) in line.split('`').enumerate() {
        // Code may be the text of a link, so that something stands for it.
        prose.push_str(if number % 2 == 0 { part } else { "code" });
    }
    let mut links = Vec::new();
    let mut rest = prose.as_str();
    while let Some((_, after)) = rest.split_once("](") {
        let (link, after) = after.split_once(')').unwrap_or((after, ""));
        links.push(link.trim().to_owned());
        rest = after;
    }
    links
}

/// The pages of the repository, by their paths from its root.
fn pages() -> BTreeMap<PathBuf, Page> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = folder.join(&name);
            if name.starts_with('.') || name == "target" {
                continue;
            }
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && name.ends_with(".md") {
                let text = fs::read_to_string(root().join(&path)).unwrap();
                pages.insert(path, Page::read(&text));
            }
        }
    }
    pages
}

/// Where a link on a page leads, from the root of the repository; none when it leads out of it.
fn resolved(page: &Path, link: &str) -> Option<PathBuf> {
    let mut path = page.parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(link).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::Normal(name) => path.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// What is wrong with a link.
fn fault(pages: &BTreeMap<PathBuf, Page>, page: &Path, link: &str) -> Option<&'static str> {
    let is_elsewhere = ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| link.starts_with(scheme));
    // The crate's documentation resolves these.
    let is_item = !link.contains(['/', '.', '#']);
    if is_elsewhere || is_item {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_path_buf(),
        path => match resolved(page, path) {
            Some(target) => target,
            None => return Some("leads out of the repository"),
        },
    };
    if !root().join(&target).exists() {
        return Some("there is no such file");
    }
    match (anchor, pages.get(&target)) {
        ("", _) => None,
        (anchor, Some(found)) if found.anchors.contains(anchor) => None,
        (_, Some(_)) => Some("there is no such heading"),
        (_, None) => Some("only pages have headings"),
    }
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let pages = pages();
    let mut wrong = Vec::new();
    for (path, page) in &pages {
        for (number, link) in &page.links {
            if let Some(why) = fault(&pages, path, link) {
                wrong.push(format!("{}:{number}: {link}: {why}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "dead links:\n{}", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_index() {
    let pages = pages();
    let index = Path::new(INDEX);
    let linked: BTreeSet<PathBuf> = pages[index]
        .links
        .iter()
        .filter_map(|(_, link)| resolved(index, link.split('#').next()?))
        .collect();
    let missing: Vec<String> = pages
        .keys()
        .filter(|page| page.starts_with("docs") && *page != index && !linked.contains(*page))
        .map(|page| page.display().to_string())
        .collect();
    assert!(missing.is_empty(), "not in {INDEX}: {}", missing.join(", "));
}

/// Messages send their readers to pages.
#[test]
fn every_page_that_the_host_names_is_there() {
    let mut wrong = Vec::new();
    for source in sources(&["host/src"]) {
        for (number, line) in (1..).zip(source.text.lines()) {
            // Not the paths of other sites.
            let starts = line.match_indices("docs/").filter(|(at, _)| {
                let before = line[..*at].chars().next_back();
                before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '/')
            });
            for (at, _) in starts {
                let name = line[at..].split(|letter: char| {
                    !letter.is_alphanumeric() && !matches!(letter, '/' | '.' | '-' | '_')
                });
                let name = name.take(1).collect::<String>();
                let is_page = name.ends_with(".md");
                if is_page && !root().join(&name).exists() {
                    wrong.push(format!("{}:{number}: {name}", source.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "no such pages:\n{}", wrong.join("\n"));
}

#[test]
fn headings_become_the_anchors_that_browsers_find() {
    let page = Page::read(
        "# What is a step, and what may it do?\n## `/api/v1/`\n## `POST /internal/migrations`\n## Twice\n## Twice\n\
         ```\n# not a heading, [nor a link](nowhere.md)\n```\nSee [`code`](a.md#b), `[no](link.md)` and ![it](c.png).\n",
    );
    let expected = [
        "what-is-a-step-and-what-may-it-do",
        "apiv1",
        "post-internalmigrations",
        "twice",
        "twice-1",
    ];
    assert_eq!(page.anchors, expected.map(str::to_owned).into());
    let links: Vec<&str> = page.links.iter().map(|(_, link)| &**link).collect();
    assert_eq!(links, ["a.md#b", "c.png"]);
}
