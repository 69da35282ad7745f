//! The figures as people read them: a line while it goes on, and a summary at the end. Pure.

use super::figures::View;
use std::fmt::Write;
use std::time::Duration;

/// What the summary says of the fleet itself.
#[derive(Clone, Debug)]
pub struct About {
    /// Whose devices they are.
    pub tenant: String,
    /// Devices over HTTP, and over MQTT.
    pub devices: (usize, usize),
    /// Readings a second that were asked for.
    pub rate: f64,
    /// How many a device keeps.
    pub keep: usize,
    /// How long they were made.
    pub made_for: Duration,
}

/// One line.
#[must_use]
pub fn line(view: &View) -> String {
    let View { made, acknowledged, dropped, .. } = view;
    let mut text = format!(
        "{:>6}  made {made}  acknowledged {acknowledged}  waiting {}  dropped {dropped}  refused {}",
        clock(view.after),
        view.waiting(),
        answers(view),
    );
    if let (Some(half), Some(most)) = (view.half, view.most) {
        let _ = write!(text, "  p50 {}  p99 {}", span(half), span(most));
    }
    text
}

/// Some lines.
#[must_use]
pub fn summary(view: &View, about: &About) -> String {
    let (http, mqtt) = about.devices;
    #[allow(clippy::cast_precision_loss, reason = "a rate is told with one decimal")]
    let rate = view.made as f64 / about.made_for.as_secs_f64().max(0.001);
    let mut text = format!(
        "{} of tenant {}, {http} over HTTP and {mqtt} over MQTT, made readings for {}\n",
        many(http + mqtt, "device"),
        about.tenant,
        clock(about.made_for),
    );
    let mut say = |name: &str, value: &str, about: &str| {
        let row = format!("  {name:<13}{value:>9}  {about}");
        let _ = writeln!(text, "{}", row.trim_end());
    };
    say("made", &view.made.to_string(), &format!("{rate:.1} a second; asked for were {:.1}", about.rate));
    say("acknowledged", &view.acknowledged.to_string(), "");
    let why = "not acknowledged: they may be stored or not, and their devices would send them again";
    say("waiting", &view.waiting().to_string(), if view.waiting() == 0 { "" } else { why });
    let why = format!("by devices that kept {} already; they were never sent", about.keep);
    say("dropped", &view.dropped.to_string(), if view.dropped == 0 { "" } else { &why });
    let why = "for good: sent again, they would be refused again";
    say("refused", &view.refused.to_string(), if view.refused == 0 { "" } else { why });
    if !view.answers.is_empty() {
        let _ = writeln!(text, "  answers other than 202, of all attempts: {}", answers(view));
    }
    if let (Some(half), Some(most), Some(longest)) = (view.half, view.most, view.longest) {
        let (half, most, longest) = (span(half), span(most), span(longest));
        let _ = writeln!(
            text,
            "  acknowledged after p50 {half}, p99 {most}, at most {longest}; from the moment each was due"
        );
    }
    text
}

fn answers(view: &View) -> String {
    match view.answers.is_empty() {
        true => "0".to_owned(),
        false => {
            view.answers.iter().map(|(why, count)| format!("{why} x{count}")).collect::<Vec<_>>().join(", ")
        }
    }
}

fn many(count: usize, of: &str) -> String {
    if count == 1 { format!("{count} {of}") } else { format!("{count} {of}s") }
}

/// A time of the run.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        _ => format!("{}:{:02} min", seconds / 60, seconds % 60),
    }
}

/// A time that something took.
fn span(time: Duration) -> String {
    match time.as_micros() {
        0..10_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn troubled() -> View {
        View {
            after: Duration::from_secs(75),
            made: 3750,
            acknowledged: 3700,
            dropped: 8,
            refused: 2,
            answers: vec![("401".to_owned(), 2), ("503".to_owned(), 120), ("no answer".to_owned(), 3)],
            half: Some(Duration::from_micros(4_210)),
            most: Some(Duration::from_millis(8_250)),
            longest: Some(Duration::from_millis(9_120)),
        }
    }

    fn about() -> About {
        let (tenant, devices) = ("test".to_owned(), (60, 40));
        About { tenant, devices, rate: 50.0, keep: 1000, made_for: Duration::from_secs(75) }
    }

    #[test]
    fn a_line_while_it_goes_on() {
        let first = View { after: Duration::from_millis(1020), made: 50, ..View::default() };
        assert_eq!(line(&first), "   1 s  made 50  acknowledged 0  waiting 50  dropped 0  refused 0");
        assert_eq!(
            line(&troubled()),
            "  75 s  made 3750  acknowledged 3700  waiting 40  dropped 8  refused 401 x2, 503 x120, no answer x3  \
             p50 4.2 ms  p99 8.2 s"
        );
    }

    #[test]
    fn a_summary_at_the_end() {
        assert_eq!(
            summary(&troubled(), &about()),
            "\
100 devices of tenant test, 60 over HTTP and 40 over MQTT, made readings for 75 s
  made              3750  50.0 a second; asked for were 50.0
  acknowledged      3700
  waiting             40  not acknowledged: they may be stored or not, and their devices would send them again
  dropped              8  by devices that kept 1000 already; they were never sent
  refused              2  for good: sent again, they would be refused again
  answers other than 202, of all attempts: 401 x2, 503 x120, no answer x3
  acknowledged after p50 4.2 ms, p99 8.2 s, at most 9.1 s; from the moment each was due
"
        );
        let well = View {
            made: 1,
            acknowledged: 1,
            half: None,
            answers: Vec::new(),
            dropped: 0,
            refused: 0,
            ..troubled()
        };
        let one = About { devices: (1, 0), rate: 0.5, made_for: Duration::from_secs(130), ..about() };
        assert_eq!(
            summary(&well, &one),
            "\
1 device of tenant test, 1 over HTTP and 0 over MQTT, made readings for 2:10 min
  made                 1  0.0 a second; asked for were 0.5
  acknowledged         1
  waiting              0
  dropped              0
  refused              0
"
        );
    }
}
