//! Spans of requests, transactions and statements, given to a collector by OTLP.
//!
//! [`layer`] gives a layer for `tracing_subscriber` and a guard. The span of a request becomes a child of the span that its
//! `traceparent` names; under it lie the spans that [`plimsoll::spans`] describes.
//!
//! ```no_run
//! use plimsoll_http::otlp::{self, OtlpOptions};
//! use std::time::Duration;
//! use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};
//!
//! # async fn example() -> Result<(), otlp::OtlpError> {
//! let (spans, guard) = otlp::layer(OtlpOptions { service: Some("shop".into()), ..Default::default() })?;
//! // The log has a filter of its own: one over all layers would keep spans of level DEBUG from the collector.
//! let log = tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("info"));
//! tracing_subscriber::registry().with(spans).with(log).init();
//! // .. serve, and in the end:
//! let counts = guard.stop(Duration::from_secs(2)).await;
//! # let _ = counts; Ok(()) }
//! ```
//!
//! *What is given.* Spans of level INFO and above, and those at `plimsoll::db`. No log line is given, since what a line holds
//! is for its own log to decide. Put `.with_filter(..)` on the layer to give less.
//!
//! *It never stands in the way.* A span that ends is put into a queue of bounded length, and a thread of its own gives what
//! lies there to the collector every five seconds, or as soon as there are 512. Where the queue is full the span is dropped
//! and counted. A collector that is away costs its spans and a line in the log at `plimsoll::otlp`, at most one a minute.
//!
//! *Protocol.* OTLP over HTTP/1.1 with protobuf, plain or with TLS against the system's root certificates, without a proxy,
//! on a new connection each time. gRPC is not spoken.
//!
//! *Every client may name a trace.* A `traceparent` decides under which trace the request is shown and
//! whether it is sampled, so a proxy that faces the internet should take that header away.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | what may be set, and the `OTEL_` variables |
//! | `request` | the span of a request: its parent, name and status |
//! | `queue` | the queue, and what is counted |
//! | `collector` | the way to the collector |
//! | `report` | how often a failure is told |

mod collector;
mod options;
mod queue;
mod report;
pub(crate) mod request;

pub use options::{OtlpError, OtlpOptions};
pub use queue::OtlpCounts;

use collector::Collector;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use options::Plan;
use queue::{CountingExporter, Counts, Queue};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The layer, and the guard that stops it. Reads the `OTEL_` variables for what the options do not say; connects to nothing
/// yet.
///
/// # Errors
/// An option or a variable that makes no sense, or no root certificates for a collector behind `https`.
pub fn layer<S>(
    options: OtlpOptions,
) -> Result<(impl Layer<S> + Send + Sync + 'static + use<S>, OtlpGuard), OtlpError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let plan = Plan::of(options, |name| std::env::var(name).ok())?;
    let counts = Arc::new(Counts::default());
    let provider = provider(&plan, &counts)?;
    let scope = InstrumentationScope::builder("plimsoll")
        .with_version(env!("CARGO_PKG_VERSION"))
        .with_schema_url(format!("https://opentelemetry.io/schemas/{}", plimsoll::spans::CONVENTIONS))
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer_with_scope(scope))
        // The place of our own macro, and what changes with every poll, say nothing about the work.
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false);
    let filter = filter_fn(is_given).with_max_level_hint(LevelFilter::DEBUG);
    Ok((spans.with_filter(filter), OtlpGuard { provider, counts, at_drop: Some(plan.at_drop) }))
}

fn is_given(what: &Metadata<'_>) -> bool {
    what.is_span() && (*what.level() <= Level::INFO || what.target() == plimsoll::spans::TARGET)
}

fn provider(plan: &Plan, counts: &Arc<Counts>) -> Result<SdkTracerProvider, OtlpError> {
    let collector = Arc::new(Collector::new(plan)?);
    let exporter = SpanExporter::builder()
        .with_http()
        .with_shared_http_client(Arc::<Collector>::clone(&collector))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(plan.endpoint.to_string())
        .with_timeout(plan.timeout)
        .build()
        .map_err(|error| OtlpError::Exporter(error.to_string()))?;
    let exporter = CountingExporter::new(exporter, collector, Arc::clone(counts));
    let config = BatchConfigBuilder::default().with_max_queue_size(plan.queue).build();
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let mut resource = Resource::builder();
    if let Some(service) = &plan.service {
        resource = resource.with_service_name(service.clone());
    }
    let mut provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_span_processor(Queue::new(processor, Arc::clone(counts), plan.queue));
    if let Some(share) = plan.share {
        let roots = Sampler::TraceIdRatioBased(share);
        provider = provider.with_sampler(Sampler::ParentBased(Box::new(roots)));
    }
    Ok(provider.build())
}

/// Stops the layer, and gives the collector what is left. Dropped without [`OtlpGuard::stop`] it does the same, and blocks
/// its thread for up to [`OtlpOptions::at_drop`].
#[derive(Debug)]
#[must_use = "the layer stops when this is dropped"]
pub struct OtlpGuard {
    provider: SdkTracerProvider,
    counts: Arc<Counts>,
    at_drop: Option<Duration>,
}

impl OtlpGuard {
    /// What has become of the spans so far.
    #[must_use]
    pub fn counts(&self) -> OtlpCounts {
        self.counts.now()
    }

    /// Gives the collector what lies in the queue, now. Waits for it for at most this long; false if it has not taken all.
    ///
    /// # Cancel safety
    /// Dropped, the giving goes on.
    pub async fn flush(&self, limit: Duration) -> bool {
        let provider = self.provider.clone();
        // The SDK blocks its caller, for up to five seconds.
        let flushed = tokio::task::spawn_blocking(move || provider.force_flush().is_ok());
        matches!(timeout(limit, flushed).await, Ok(Ok(true)))
    }

    /// Stops the layer: gives the collector what lies in the queue for at most this long, and takes no more spans. What is
    /// not given by then is lost, and told as such.
    ///
    /// # Cancel safety
    /// Dropped, the stop goes on by its limit.
    pub async fn stop(mut self, limit: Duration) -> OtlpCounts {
        self.at_drop = None;
        let provider = self.provider.clone();
        self.counts.stop();
        let stopped = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit));
        // The SDK keeps the limit too; a thread that could not be had must not hold up a stop.
        let _ = timeout(limit + Duration::from_millis(250), stopped).await;
        self.counts.now()
    }
}

impl Drop for OtlpGuard {
    fn drop(&mut self) {
        if let Some(limit) = self.at_drop.take() {
            self.counts.stop();
            let _ = self.provider.shutdown_with_timeout(limit);
        }
    }
}
