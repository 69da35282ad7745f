//! The drawing of the limits, as `docs/guides/timeouts.svg` shows it.

use super::layers::{Limit, deadline};
use plimsoll_inspect::layers::drawing::{Bar, Drawing, svg};

pub(super) fn of(limits: &[Limit]) -> String {
    let bars: Vec<Bar> = limits.iter().map(bar).collect();
    svg(&Drawing {
        made_by: "Made from the limits themselves, in crates/plimsoll-http/src/reference/; written by `make docs`.",
        title: "Who gives up, and after how long",
        subtitle: "From the client in. Inside a request the shorter counts: what is longer than the request holds only for work \
                   that no request waits for (pale).",
        last_column: "the client gets",
        notes: &["Made from the defaults of the settings and options; the scale of time is logarithmic."
            .to_owned()],
        deadline: Some(deadline()),
        bars: &bars,
    })
}

fn bar(limit: &Limit) -> Bar {
    Bar {
        layer: limit.layer,
        name: limit.name.to_owned(),
        after: limit.after,
        keeper: limit.keeper.as_str(),
        told: limit.told.clone(),
        is_inside: limit.is_inside,
        is_wrong: false,
    }
}
