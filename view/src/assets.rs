//! The page, as it was built: part of the program, so that building that needs no other tools.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: &'static str,
}

pub(crate) const PAGE: Asset = Asset {
    name: "index.html",
    media_type: "text/html; charset=utf-8",
    bytes: include_str!("../dist/index.html"),
};
pub(crate) const SCRIPT: Asset = Asset {
    name: "assets/app.js",
    media_type: "text/javascript; charset=utf-8",
    bytes: include_str!("../dist/assets/app.js"),
};
pub(crate) const STYLE: Asset = Asset {
    name: "assets/app.css",
    media_type: "text/css; charset=utf-8",
    bytes: include_str!("../dist/assets/app.css"),
};

/// The file of this name, exactly.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    const ALL: [Asset; 3] = [PAGE, SCRIPT, STYLE];
    const FOUND: &[Asset; 3] = &ALL;
    FOUND.iter().find(|asset| asset.name == name)
}
