//! The console's pages and what belongs to them: small modules that a browser loads as they are.

use crate::http::page_file::PageFile;

/// The page of a tenant's people.
pub(super) static TENANT: PageFile = PageFile::html("index.html", include_str!("page/index.html"));

/// The page of operators.
pub(super) static OPERATOR: PageFile = PageFile::html("operator.html", include_str!("page/operator.html"));

macro_rules! files {
    ($($kind:ident $name:literal),* $(,)?) => {
        /// What belongs to them.
        pub(super) static FILES: [PageFile; [$($name),*].len()] =
            [$(PageFile::$kind($name, include_str!(concat!("page/", $name)))),*];
    };
}

files! {
    css "console.css",
    js "tenant.js",
    js "operator.js",
    js "frame.js",
    js "api.js",
    js "pulse.js",
    js "notice.js",
    js "fresh.js",
    js "pages.js",
    js "router.js",
    js "act.js",
    js "words.js",
    js "overview.js",
    js "devices.js",
    js "device.js",
    js "readings.js",
    js "chart.js",
    js "alerts.js",
    js "oncall.js",
    js "subscriptions.js",
    js "inflow.js",
    js "tenants.js",
    js "quarantine.js",
    js "health.js",
}
