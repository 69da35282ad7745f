//! The tags of a device.

use super::devices::line_or_more;
use crate::devices::draft::MOST_TAGS;
use crate::openapi::operation::{Described, tenant};
use crate::openapi::schema::{few, list, object, text};

const TAG: &str = "tags";
const PATH: &str = "/customer/devices/{device}/tags";

pub(super) fn all() -> Vec<Described> {
    let shown = || object([("device_id", text()), ("tags", list(text()))]);
    let taken = || object([("tags", few(line_or_more(64), MOST_TAGS))]);
    vec![
        tenant(TAG, "get", PATH, "getTags", "The tags of a device")
            .gives(200, "They.", shown())
            .refused(&[404]),
        tenant(TAG, "put", PATH, "putTags", "The device has these and no others")
            .takes(taken())
            .gives(200, "What it has then.", shown())
            .refused(&[404]),
        tenant(TAG, "post", PATH, "addTags", "The device has these too")
            .takes(taken())
            .gives(200, "What it has then.", shown())
            .refused(&[404]),
        tenant(TAG, "delete", "/customer/devices/{device}/tags/{tag}", "removeTag", "Takes one tag away")
            .part("tag", line_or_more(64))
            .gives_nothing("It is gone.")
            .refused(&[404]),
    ]
}
