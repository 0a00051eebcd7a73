//! Traces where work leaves the task of its caller.

use opentelemetry::{global, propagation::Injector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The name under which W3C writes down to which span something belongs.
const TRACE_PARENT: &str = "traceparent";

/// The span of what is done together for callers, each in its own of `spans`: it goes on the trace of
/// the first of them, and is linked to those of the others.
pub fn round_span<'a>(work: &'static str, spans: impl IntoIterator<Item = &'a Span>) -> Span {
    let mut spans = spans.into_iter();
    let first = spans.next().and_then(Span::id);
    let round = tracing::info_span!(parent: first, "round", work, asks = tracing::field::Empty);
    let mut asks = 1;
    for other in spans {
        round.follows_from(other);
        asks += 1;
    }
    round.record("asks", asks);
    round
}

/// To which span what this task does belongs, as W3C's trace context writes it down; empty where it is
/// not traced.
#[must_use]
pub fn trace_parent() -> String {
    let mut carrier = Carrier::default();
    let context = Span::current().context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    carrier.0
}

#[derive(Default)]
struct Carrier(String);

impl Injector for Carrier {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACE_PARENT {
            self.0 = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::{
        propagation::TraceContextPropagator,
        trace::{InMemorySpanExporter, SdkTracerProvider},
    };
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_round_goes_on_the_trace_of_its_first_caller_and_is_linked_to_the_others() {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        global::set_text_map_propagator(TraceContextPropagator::new());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            assert_eq!(trace_parent(), "", "outside of any span");
            let callers = ["first", "second"].map(|name| tracing::info_span!("call", name));
            let round = round_span("pricer", &callers);
            let told = round.in_scope(trace_parent);
            drop((round, callers));
            let spans = spans.get_finished_spans().unwrap();
            let [round, calls @ ..] = spans.as_slice() else { panic!("{spans:?}") };
            let trace = calls[0].span_context.trace_id();
            assert_eq!(round.span_context.trace_id(), trace);
            assert_eq!(round.parent_span_id, calls[0].span_context.span_id());
            let linked: Vec<_> = round.links.iter().map(|link| link.span_context.clone()).collect();
            assert_eq!(linked, [calls[1].span_context.clone()]);
            assert_eq!(told, format!("00-{trace}-{}-01", round.span_context.span_id()));
        });
    }
}
