//! Who may have how many connections.
//!
//! An address may have as many as are left for all others. So one alone can take half of them, and however many take what they
//! can, there is room for one that has none.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The connections that are served.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection that is counted until this is dropped.
pub(super) struct Seat {
    connections: Connections,
    address: IpAddr,
}

impl Connections {
    /// As many as `most`.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            taken: Mutex::default(),
        }))
    }

    /// Counts one more of an address; none when it has as many as it may have.
    pub(super) fn take(&self, address: IpAddr) -> Option<Seat> {
        let address = client(address);
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.by_address.get(&address).copied().unwrap_or_default();
        let left = self.0.most.saturating_sub(taken.all);
        // The last one of all is for whoever has none.
        if own >= left {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, own + 1);
        Some(Seat {
            connections: self.clone(),
            address,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let taken = &self.connections.0.taken;
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        let own = taken.by_address.get(&self.address).copied();
        match own.unwrap_or_default().checked_sub(1) {
            None | Some(0) => taken.by_address.remove(&self.address),
            Some(own) => taken.by_address.insert(self.address, own),
        };
    }
}

/// What counts as one client: of IPv6 the first half of the address, for a client chooses the other half itself; and all loopback
/// addresses, of which every program of this machine has millions.
pub(super) fn client(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = u128::MAX << 64;
    match address.to_canonical() {
        address if address.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & NETWORK).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_as_many_as_are_left_for_others() {
        let connections = Connections::new(512);
        let take = |address: &str| {
            let address = address.parse().unwrap();
            let taken = std::iter::from_fn(|| connections.take(address));
            taken.collect::<Vec<_>>()
        };
        let first = take("10.0.0.1");
        assert_eq!(first.len(), 256);
        assert_eq!(take("10.0.0.2").len(), 128);
        // They were given back.
        let second = take("::ffff:10.0.0.2");
        assert_eq!(second.len(), 128);
        assert_eq!(take("10.0.0.2").len(), 0);
        drop(first);
        assert_eq!(take("10.0.0.1").len(), 192);
    }

    #[test]
    fn a_client_has_a_whole_network_of_ipv6() {
        let connections = Connections::new(4);
        let take = |address: &str| connections.take(address.parse().unwrap());
        let _first = take("2001:db8::1").unwrap();
        let _second = take("2001:db8::2").unwrap();
        assert!(take("2001:db8::3").is_none());
        assert!(take("2001:db8:0:1::1").is_some());
    }

    #[test]
    fn this_machine_is_one_client() {
        let clients = ["127.0.0.1", "127.3.2.1", "::ffff:127.0.0.2", "::1"];
        let mut clients = clients.map(|address| client(address.parse().unwrap()));
        assert_eq!(clients, [clients[0]; 4]);
        clients = ["127.0.0.1", "126.0.0.1", "128.0.0.1", "::2"]
            .map(|address| client(address.parse().unwrap()));
        assert!(clients.iter().skip(1).all(|client| *client != clients[0]));
    }
}
