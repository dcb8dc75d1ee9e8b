//! Changes and compiles the sources of librdkafka that take compressed batches apart.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What `in` compressed bytes may become. A producer's batch of usual size may consist of one byte repeated; a large one
/// is not smaller by more than any text is; none is larger than many times of what a topic takes by default.
const BOUND: &str = "#define BOUND(in) ((size_t)(in) < 250000 ? 65536 + 64 * (size_t)(in) : 16000000)\n";

/// A source, and what in it is replaced by what.
const CHANGES: &[(&str, &[(&str, &str)])] = &[
    (
        "rdgz.c",
        &[(
            "                } while (strm.avail_out == 0 && r != Z_STREAM_END);",
            "                        if (strm.total_out > BOUND(compressed_len)) {
                                inflateEnd(&strm);
                                goto fail;
                        }
                } while (strm.avail_out == 0 && r != Z_STREAM_END);",
        )],
    ),
    (
        "rdkafka_lz4.c",
        &[
            (
                "        /* Allocate output buffer, we increase this later if needed,",
                "        if (estimated_uncompressed_size > BOUND(inlen)) {
                err = RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
                goto done;
        }
        /* Allocate output buffer, we increase this later if needed,",
            ),
            (
                "                        if (!(tmp = rd_realloc(out, outlen + extra))) {",
                "                        if (outlen > BOUND(inlen)) {
                                err = RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
                                goto done;
                        }
                        if (!(tmp = rd_realloc(out, outlen + extra))) {",
            ),
        ],
    ),
    (
        "rdkafka_msgset_reader.c",
        &[
            (
                "                        /* Allocate output buffer for uncompressed data */",
                "                        if (iov.iov_len > BOUND(inlen)) {
                                err = RD_KAFKA_RESP_ERR__BAD_COMPRESSION;
                                goto err;
                        }
                        /* Allocate output buffer for uncompressed data */",
            ),
            // Read on behind it, as after a wrong checksum; the original asks for the same batch for ever.
            (
                "                    payload_size);
                if (err)
                        goto err;",
                "                    payload_size);
                if (err == RD_KAFKA_RESP_ERR__BAD_COMPRESSION)
                        goto done;
                if (err)
                        goto err;",
            ),
        ],
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // librdkafka of the system is linked dynamically, and is as it is.
    let Some(librdkafka) = env::var_os("DEP_RDKAFKA_ROOT").map(PathBuf::from) else {
        return Err("rdkafka-sys does not say where it has built librdkafka".into());
    };
    let sources = librdkafka.join("src");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut build = cc::Build::new();
    build.include(&sources).include(&librdkafka).flag_if_supported("-std=gnu99").warnings(false);
    if let Some(zlib) = env::var_os("DEP_Z_INCLUDE") {
        build.include(zlib);
    }
    for (name, changes) in CHANGES {
        let changed = out.join(name);
        fs::write(&changed, change(&sources.join(name), changes)?)?;
        build.file(changed);
    }
    // All of it, so that none of the originals is looked for.
    build.link_lib_modifier("+whole-archive").compile("bounded_decompression");
    Ok(())
}

fn change(source: &Path, changes: &[(&str, &str)]) -> Result<String, Box<dyn Error>> {
    let mut text = fs::read_to_string(source)?;
    for (from, to) in changes {
        if text.matches(from).count() != 1 {
            return Err(format!(
                "{} has changed: what is bounded here is not found once:\n{from}",
                source.display()
            )
            .into());
        }
        text = text.replace(from, to);
    }
    Ok(format!("{BOUND}{text}"))
}
