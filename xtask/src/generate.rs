//! `cargo xtask generate`: every derived file of the repository has one line in [`GENERATORS`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell::{step, version};
use crate::{place, programs};

/// Makes one file, or one folder of files.
struct Generator {
    name: &'static str,
    /// Relative to the root; a folder is owned whole: files in it that are not made are stale too.
    output: &'static str,
    /// Writes the output at the path that it is given.
    make: fn(&Path) -> Result<()>,
}

/// In the order of making: the binary that prints the routes embeds the console.
const GENERATORS: &[Generator] = &[
    Generator {
        name: "wire",
        output: "crates/doorward-operator/src/rpc/gateway_capnp.rs",
        make: wire,
    },
    Generator {
        name: "operator",
        output: "packages/console/src/operator/wire.ts",
        make: operator,
    },
    Generator {
        name: "console",
        output: "packages/console/dist",
        make: console,
    },
    Generator {
        name: "routes",
        output: "docs/routes.json",
        make: |to| routes("--json", to),
    },
    Generator {
        name: "routes",
        output: "docs/ROUTES.md",
        make: |to| routes("--markdown", to),
    },
    Generator {
        name: "openapi",
        output: "docs/openapi.json",
        make: |to| routes("--openapi", to),
    },
];

/// Writes every output in place.
pub(crate) fn write() -> Result<()> {
    let root = place::root()?;
    if !has_capnp() {
        println!("wire skipped: {NO_CAPNP}");
    }
    // Each output is made whole before the old one goes, so that a failure leaves no half of a folder behind.
    for generator in GENERATORS.iter().filter(|one| can_make(one)) {
        let made = make(generator)?;
        let output = root.join(generator.output);
        let stale = differences(&made, &output)?;
        if stale.is_empty() {
            println!("{} is fresh", generator.output);
            continue;
        }
        replace(&made, &output)?;
        println!("{} written", generator.output);
    }
    Ok(())
}

/// Names every stale file.
pub(crate) fn check() -> Result<Vec<String>> {
    compare(GENERATORS.iter())
}

/// The same for one generator.
pub(crate) fn check_only(name: &str) -> Result<Vec<String>> {
    compare(GENERATORS.iter().filter(|generator| generator.name == name))
}

fn compare(generators: impl Iterator<Item = &'static Generator>) -> Result<Vec<String>> {
    let root = place::root()?;
    let mut stale = Vec::new();
    for generator in generators.filter(|one| can_make(one)) {
        let made = make(generator)?;
        stale.extend(differences(&made, &root.join(generator.output))?);
    }
    for path in &stale {
        println!("stale: {path}");
    }
    Ok(stale)
}

/// Why the wire format is not made.
pub(crate) const NO_CAPNP: &str = "install capnproto, which compiles schemas";

/// Whether the compiler of schemas is here.
pub(crate) fn has_capnp() -> bool {
    version("capnp", &["--version"]).is_some()
}

fn can_make(generator: &Generator) -> bool {
    generator.name != "wire" || has_capnp()
}

fn make(generator: &Generator) -> Result<PathBuf> {
    let output = Path::new(generator.output);
    let name = output.file_name().context("an output has a name")?;
    let made = place::scratch(&generator.output.replace('/', "-"))?.join(name);
    (generator.make)(&made).with_context(|| format!("generating {}", generator.output))?;
    Ok(made)
}

// === the generators ===

fn wire(to: &Path) -> Result<()> {
    // Here, and not in a program of the workspace: that may not compile without it.
    let schema = place::root()?.join("crates/doorward-operator/schema");
    capnpc::CompilerCommand::new()
        .src_prefix(&schema)
        .file(schema.join("gateway.capnp"))
        .default_parent_module(vec!["rpc".to_owned()])
        .output_path(to.parent().context("an output is in a folder")?)
        .run()?;
    // Which compiler made it is no part of what was made.
    let text = std::fs::read_to_string(to).with_context(|| format!("reading {}", to.display()))?;
    let lines = text
        .lines()
        .filter(|line| !line.starts_with("// capnp binary version"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    std::fs::write(to, text).with_context(|| format!("writing {}", to.display()))
}

/// The view models of gateways, as TypeScript in the console's style.
fn operator(to: &Path) -> Result<()> {
    let program = programs::built()?.join("examples/types");
    let raw = to.with_extension("raw");
    let text = step(name(&program)?, [""; 0])?.read()?;
    std::fs::write(&raw, text).with_context(|| format!("writing {}", raw.display()))?;
    let folder = console_folder()?;
    let words = [
        "--no-install",
        "biome",
        "format",
        "--stdin-file-path=src/operator/wire.ts",
    ];
    let text = step("npx", words)?.inside(&folder).input(&raw)?.read()?;
    std::fs::write(to, text).with_context(|| format!("writing {}", to.display()))
}

/// Where the console is built, with everything that takes.
fn console_folder() -> Result<PathBuf> {
    let folder = place::root()?.join("packages/console");
    if !folder.join("node_modules").exists() {
        step("npm", ["ci"])?.inside(&folder).run()?;
    }
    Ok(folder)
}

fn routes(format: &str, to: &Path) -> Result<()> {
    let program = programs::built()?.join("doorward");
    let text = step(name(&program)?, ["routes", format])?.read()?;
    std::fs::write(to, text).with_context(|| format!("writing {}", to.display()))
}

fn console(to: &Path) -> Result<()> {
    let words = ["run", "build", "--", "--outDir", name(to)?, "--emptyOutDir"];
    step("npm", words)?.inside(&console_folder()?).run()
}

fn name(path: &Path) -> Result<&str> {
    path.to_str()
        .context("the target folder has a name in UTF-8")
}

// === comparing and replacing ===

/// Paths below `now` that differ from `made`, are missing, or should not be there.
fn differences(made: &Path, now: &Path) -> Result<Vec<String>> {
    let wanted = contents(made)?;
    let found = contents(now)?;
    let differs = wanted
        .iter()
        .filter(|(path, bytes)| found.get(*path) != Some(bytes))
        .map(|(path, _)| path);
    let surplus = found.keys().filter(|path| !wanted.contains_key(*path));
    Ok(differs
        .chain(surplus)
        .map(|path| {
            place::short(&now.join(path))
                .trim_end_matches('/')
                .to_owned()
        })
        .collect())
}

/// Every file below a path, by its path from there; a file alone has the empty one.
fn contents(at: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![at.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for inner in
                std::fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))?
            {
                open.push(inner?.path());
            }
        } else if path.exists() {
            let bytes =
                std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            found.insert(path.strip_prefix(at)?.to_owned(), bytes);
        }
    }
    Ok(found)
}

fn replace(made: &Path, output: &Path) -> Result<()> {
    if output.is_dir() {
        std::fs::remove_dir_all(output)
            .with_context(|| format!("clearing {}", output.display()))?;
    }
    for (path, bytes) in contents(made)? {
        let to = if path.as_os_str().is_empty() {
            output.to_owned()
        } else {
            output.join(path)
        };
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("making {}", folder.display()))?;
        }
        std::fs::write(&to, bytes).with_context(|| format!("writing {}", to.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = place::scratch(&format!("test-{name}")).unwrap();
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn stale_missing_and_surplus_files_are_named() {
        let made = folder(
            "made",
            &[("same", "1"), ("in/changed", "new"), ("missing", "3")],
        );
        let now = folder(
            "now",
            &[("same", "1"), ("in/changed", "old"), ("surplus", "4")],
        );
        let stale = differences(&made, &now).unwrap();
        let names: Vec<_> = stale
            .iter()
            .map(|path| path.rsplit("test-now/").next().unwrap())
            .collect();
        assert_eq!(names, ["in/changed", "missing", "surplus"]);
        replace(&made, &now).unwrap();
        assert!(differences(&made, &now).unwrap().is_empty());
    }

    #[test]
    fn a_single_file_is_named_by_its_own_path() {
        let made = folder("one", &[("file", "1")]).join("file");
        let now = folder("none", &[]).join("file");
        let stale = differences(&made, &now).unwrap();
        assert_eq!(stale.len(), 1);
        assert!(stale.first().unwrap().ends_with("test-none/file"));
    }
}
