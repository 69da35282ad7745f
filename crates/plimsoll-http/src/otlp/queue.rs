//! The queue of spans that wait for the collector: bounded, never waited for, and counted.
//!
//! The SDK has a queue and a thread, and does not tell the program what it dropped. So the queue is bounded here, just before it, and each
//! span is counted once: given, refused by the collector, or dropped.

use super::collector::Collector;
use super::report::Report;
use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What has become of the spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtlpCounts {
    /// The collector has taken them.
    pub given: u64,
    /// The collector was away, or did not take them.
    pub failed: u64,
    /// The queue was full, or the layer had stopped.
    pub dropped: u64,
    /// They wait in the queue, or are on their way. After a stop they are lost.
    pub waiting: u64,
}

/// The counters behind [`OtlpCounts`].
#[derive(Debug, Default)]
pub(super) struct Counts {
    given: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    queued: AtomicUsize,
    sending: AtomicUsize,
    is_stopped: AtomicBool,
}

impl Counts {
    pub(super) fn now(&self) -> OtlpCounts {
        let waiting = self.queued.load(Ordering::Relaxed) + self.sending.load(Ordering::Relaxed);
        OtlpCounts {
            given: self.given.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            waiting: waiting as u64,
        }
    }

    /// No more spans are taken.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Takes a place in the queue, if there is one.
    fn enter(&self, size: usize) -> bool {
        let has_room = |queued: usize| (queued < size).then_some(queued + 1);
        let is_in = !self.is_stopped.load(Ordering::Relaxed)
            && self.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, has_room).is_ok();
        if !is_in {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        is_in
    }

    /// So many leave the queue, and are on their way.
    fn leave(&self, spans: usize) {
        self.sending.fetch_add(spans, Ordering::Relaxed);
        self.queued.fetch_sub(spans, Ordering::Relaxed);
    }

    /// They have arrived, or have not.
    fn sent(&self, spans: usize, has_arrived: bool) {
        self.sending.fetch_sub(spans, Ordering::Relaxed);
        let counter = if has_arrived { &self.given } else { &self.failed };
        counter.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

/// The SDK's processor behind the bound.
#[derive(Debug)]
pub(super) struct Queue {
    inner: BatchSpanProcessor,
    counts: Arc<Counts>,
    size: usize,
}

impl Queue {
    pub(super) fn new(inner: BatchSpanProcessor, counts: Arc<Counts>, size: usize) -> Self {
        Queue { inner, counts, size }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.counts.enter(self.size) {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The exporter, with what it did counted and told.
#[derive(Debug)]
pub(super) struct CountingExporter {
    inner: SpanExporter,
    collector: Arc<Collector>,
    counts: Arc<Counts>,
    report: Mutex<Report>,
}

impl CountingExporter {
    pub(super) fn new(inner: SpanExporter, collector: Arc<Collector>, counts: Arc<Counts>) -> Self {
        CountingExporter { inner, collector, counts, report: Mutex::new(Report::default()) }
    }

    fn tell(&self, spans: u64, has_arrived: bool) {
        let mut report = self.report.lock();
        let (lost, recovered) = match has_arrived {
            true => (None, report.given()),
            false => (report.lost(spans, Instant::now()), None),
        };
        drop(report);
        let collector = &*self.collector;
        if let Some(lost) = lost {
            let (why, dropped) = (collector.last_failure(), self.counts.now().dropped);
            tracing::warn!(
                target: "plimsoll::otlp", collector = collector.name(), lost, dropped,
                "spans did not reach the collector: {why}"
            );
        }
        if let Some(lost) = recovered {
            tracing::info!(
                target: "plimsoll::otlp", collector = collector.name(), lost,
                "the collector takes spans again"
            );
        }
    }
}

impl opentelemetry_sdk::trace::SpanExporter for CountingExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.counts.leave(spans);
        let result = self.inner.export(batch).await;
        self.counts.sent(spans, result.is_ok());
        self.tell(spans as u64, result.is_ok());
        result
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_span_is_counted_once() {
        let counts = Counts::default();
        assert!(counts.enter(2) && counts.enter(2));
        assert!(!counts.enter(2), "the queue is full");
        counts.leave(2);
        assert_eq!(counts.now(), OtlpCounts { waiting: 2, dropped: 1, ..Default::default() });
        assert!(counts.enter(2), "what is on its way does not lie in the queue");
        counts.sent(2, true);
        counts.leave(1);
        counts.sent(1, false);
        assert_eq!(counts.now(), OtlpCounts { given: 2, failed: 1, dropped: 1, waiting: 0 });
        counts.stop();
        assert!(!counts.enter(2), "it has stopped");
        assert_eq!(counts.now().dropped, 2);
    }
}
