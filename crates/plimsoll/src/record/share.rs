//! The share of the latest of which something is true.

use std::collections::VecDeque;

/// The latest, each with whether it is true of it.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    latest: VecDeque<bool>,
    size: usize,
    count: usize,
}

impl Share {
    /// Of the latest `size`, at least one. It takes memory as they come.
    pub(crate) fn new(size: usize) -> Self {
        Share { latest: VecDeque::new(), size: size.max(1), count: 0 }
    }

    pub(crate) fn push(&mut self, is_so: bool) {
        if self.latest.len() >= self.size {
            self.count -= usize::from(self.latest.pop_front().unwrap_or_default());
        }
        self.latest.push_back(is_so);
        self.count += usize::from(is_so);
    }

    /// Between 0 and 1; nothing of none.
    pub(crate) fn get(&self) -> Option<f64> {
        (!self.latest.is_empty()).then(|| self.count as f64 / self.latest.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_has_no_part_in_it() {
        let mut share = Share::new(4);
        assert_eq!(share.get(), None);
        for (is_so, now) in [
            (true, 1.0),
            (false, 0.5),
            (true, 2.0 / 3.0),
            (false, 0.5),
            (false, 0.25),
            (false, 0.25),
            (false, 0.0),
        ] {
            share.push(is_so);
            assert!((share.get().unwrap() - now).abs() < 1e-12, "{share:?}");
        }
    }
}
