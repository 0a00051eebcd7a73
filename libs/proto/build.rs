//! Compiles `proto/` with protox, so that building needs no `protoc`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use prost::Message as _;

const PROTO_ROOT: &str = "../../proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={PROTO_ROOT}");

    let mut files = Vec::new();
    collect_protos(Path::new(PROTO_ROOT), &mut files)?;
    files.sort();

    let all = protox::compile(files, [PROTO_ROOT])?;
    let mut public = all.clone();
    public.file.retain(|file| !file.package().contains(".internal."));
    for file in &mut public.file {
        file.source_code_info = None;
    }

    let out_dir = out_dir().ok_or("OUT_DIR is not set")?;
    fs::write(out_dir.join("descriptors.bin"), all.encode_to_vec())?;
    fs::write(out_dir.join("public_descriptors.bin"), public.encode_to_vec())?;
    // Maps in order of their keys: a message has one encoding, and so a request has one digest.
    let builder = tonic_prost_build::configure().btree_map(".").include_file("perennial.rs");
    // Messages know their names, so that one code path turns any of them into JSON.
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    builder.compile_fds_with_config(all, config)?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "cargo tells build scripts where to write")]
fn out_dir() -> Option<PathBuf> {
    env::var_os("OUT_DIR").map(PathBuf::from)
}

fn collect_protos(dir: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
