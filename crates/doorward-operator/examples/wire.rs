//! Writes the Rust form of `schema/gateway.capnp` to the folder that it is given.
//! Run by `cargo xtask generate`; needs the `capnp` compiler.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let to = std::env::args_os().nth(1).ok_or("name a folder")?;
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    capnpc::CompilerCommand::new()
        .src_prefix(&schema)
        .file(schema.join("gateway.capnp"))
        .default_parent_module(vec!["rpc".to_owned()])
        .output_path(to)
        .run()?;
    Ok(())
}
