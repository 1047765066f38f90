//! Variables that Kubernetes puts into each container for each service of the namespace: one called `wasmigrate` gives
//! `WASMIGRATE_PORT` and more, which are no settings.
//!
//! <https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables>

/// Whether a variable has that form. `name` is what follows `WASMIGRATE_`.
pub(super) fn is_one(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let words: Vec<&str> = name.split('_').collect();
    (0..words.len()).any(|start| match words.get(start..).unwrap_or_default() {
        ["SERVICE", "HOST"] | ["SERVICE", "PORT"] | ["SERVICE", "PORT", _, ..] => true,
        ["PORT"] => is_address,
        ["PORT", port, protocol, rest @ ..] => {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && matches!(*protocol, "TCP" | "UDP" | "SCTP")
                && matches!(rest, [] | ["PROTO" | "PORT" | "ADDR"])
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is_one;

    #[test]
    fn only_these_forms_are_passed_over() {
        for (name, value) in [
            ("SERVICE_HOST", "10.0.0.1"),
            ("SERVICE_PORT", "9002"),
            ("SERVICE_PORT_HTTP", "9002"),
            ("PORT", "tcp://10.0.0.1:9002"),
            ("PORT_9002_TCP", "tcp://10.0.0.1:9002"),
            ("PORT_9002_TCP_ADDR", "10.0.0.1"),
            ("UI_SERVICE_HOST", "10.0.0.1"),
            ("UI_PORT_80_UDP_PROTO", "udp"),
        ] {
            assert!(is_one(name, value), "{name}");
        }
        for (name, value) in [
            ("PORT", "9002"),
            ("ATTEMPTS", "3"),
            ("PORT_X_TCP", "1"),
            ("LIMITS_MEMROY_MIB", "1"),
        ] {
            assert!(!is_one(name, value), "{name}");
        }
    }
}
