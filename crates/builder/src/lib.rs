//! Source tree to image: buildpacks, cache, build output
