//! Sites.

use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{count, object, or_null, page, text, time};

pub(super) fn all() -> Vec<Described> {
    let site = object([
        ("site_id", text()),
        ("name", or_null(text())),
        ("location", or_null(text())),
        ("devices", or_null(count())),
        ("active_devices", or_null(count())),
        ("open_alerts", or_null(count())),
        ("readings_yesterday", or_null(count())),
        ("as_of", or_null(time())),
    ]);
    let one =
        tenant("sites", "get", "/customer/sites", "listSites", "The sites, with what was counted last night");
    vec![one.paged(1000).gives(200, "The page.", page("sites", site))]
}
