//! Where traces are sent: the settings say so, or OpenTelemetry's own variables do.
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

/// Where OTLP receives traces, below the address of the collector.
const PATH: &str = "/v1/traces";

/// The address that traces are sent to, and where that was said; none when nobody wants any.
pub(super) fn collector(
    endpoint: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(String, &'static str)> {
    let below = |base: &str| {
        let base = base.trim_end_matches('/');
        format!("{}{PATH}", base.strip_suffix(PATH).unwrap_or(base))
    };
    if !endpoint.is_empty() {
        return Some((below(endpoint), "`traces.endpoint`"));
    }
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let is = |name: &str, value: &str| {
        set(name).is_some_and(|set| set.trim().eq_ignore_ascii_case(value))
    };
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return None;
    }
    if let Some(endpoint) = set(OF_TRACES) {
        return Some((endpoint, OF_TRACES));
    }
    set(OF_ALL).map(|endpoint| (below(&endpoint), OF_ALL))
}

/// Used as it is.
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

/// For traces, metrics and logs, each below it.
const OF_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoint: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variable = |name: &str| {
            let mut known = variables.iter();
            let found = known.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        collector(endpoint, variable).map(|(endpoint, _)| endpoint)
    }

    #[test]
    fn the_settings_win_over_the_variables_and_these_mean_what_the_standard_says() {
        let (all, traces) = (
            (OF_ALL, "http://all:4318/"),
            (OF_TRACES, "http://traces:4318/own"),
        );
        assert_eq!(of("", &[]), None);
        assert_eq!(of("", &[all]).unwrap(), "http://all:4318/v1/traces");
        assert_eq!(of("", &[all, traces]).unwrap(), "http://traces:4318/own");
        for off in [
            ("OTEL_SDK_DISABLED", "true"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ] {
            assert_eq!(of("", &[all, off]), None);
            let ours = of("http://ours:4318", &[all, off]);
            assert_eq!(ours.unwrap(), "http://ours:4318/v1/traces");
        }
        assert_eq!(
            of("http://ours:4318/v1/traces", &[]).unwrap(),
            "http://ours:4318/v1/traces"
        );
    }
}
