//! How many sockets there may be, and which idle one gives way when there are no more.
//!
//! Sockets of clients and connections to the database come out of one allowance of descriptors. A client that opens
//! sockets and says nothing can use it up, and then a pool that has lost its server cannot connect again. So the
//! descriptors of the pool are kept aside, and a new socket takes the place of an idle one.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Sockets that a server needs at the least to be of any use.
pub(super) const FEWEST: usize = 8;

/// What is served at the most if the system sets no limit on descriptors, or a very high one.
pub(super) const MOST: usize = 10_000;

/// How many sockets `descriptors` (`None`: no limit) leave when `kept` of them are for other things, and at the most
/// `asked`.
///
/// # Errors
/// How many there are for sockets, which is fewer than were asked for or than are of any use.
pub(super) fn allowed(
    descriptors: Option<u64>,
    kept: usize,
    asked: Option<usize>,
) -> std::result::Result<usize, usize> {
    let descriptors = descriptors.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let left = descriptors.saturating_sub(kept);
    match asked {
        Some(asked) if asked > left => Err(left),
        Some(asked) => Ok(asked),
        None if left < FEWEST => Err(left),
        None => Ok(left.min(MOST)),
    }
}

/// What is known of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: u64,
    pub(super) peer: IpAddr,
    /// A request is under way, an answer is being sent, or the socket has been handed over.
    pub(super) is_busy: bool,
    /// It has brought at least one whole request head.
    pub(super) is_known: bool,
    /// Since when it has been idle, in milliseconds since the server started.
    pub(super) since: u64,
}

/// Whose an address is. A client of IPv6 has a whole network of 64 bits to itself, so one address of it says little.
fn owner(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

/// The idle sockets that give way, at most `count`.
///
/// Those that never brought a whole request come first; among them those of the client that holds most sockets, so that
/// one client cannot displace the others; and among those the ones that have been idle for the longest.
pub(super) fn to_evict(sockets: &[Seen], count: usize) -> Vec<u64> {
    let mut of_owner: HashMap<IpAddr, usize> = HashMap::new();
    for socket in sockets {
        let held = of_owner.entry(owner(socket.peer)).or_default();
        *held = held.saturating_add(1);
    }
    let mut idle: Vec<_> = sockets.iter().filter(|socket| !socket.is_busy).collect();
    idle.sort_by_cached_key(|socket| {
        let held = of_owner.get(&owner(socket.peer)).copied().unwrap_or_default();
        (socket.is_known, Reverse(held), socket.since, socket.id)
    });
    idle.into_iter().take(count).map(|socket| socket.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn socket(id: u64, peer: u8, is_busy: bool, is_known: bool, since: u64) -> Seen {
        Seen { id, peer: Ipv4Addr::new(10, 0, 0, peer).into(), is_busy, is_known, since }
    }

    #[test]
    fn what_is_kept_aside_is_never_given_to_sockets() {
        assert_eq!(allowed(Some(1024), 100, None), Ok(924));
        assert_eq!(allowed(Some(1024), 100, Some(500)), Ok(500));
        assert_eq!(allowed(Some(1024), 100, Some(925)), Err(924));
        assert_eq!(allowed(Some(107), 100, None), Err(7));
        assert_eq!(allowed(Some(50), 100, None), Err(0));
        assert_eq!(allowed(None, 100, None), Ok(MOST));
        assert_eq!(allowed(None, 100, Some(50_000)), Ok(50_000));
    }

    #[test]
    fn strangers_go_first_then_the_greediest_address_then_the_longest_idle() {
        let sockets = [
            socket(1, 1, false, true, 0),
            socket(2, 2, false, false, 50),
            socket(3, 3, false, false, 90),
            socket(4, 3, false, false, 80),
            socket(5, 3, true, false, 10),
        ];
        assert_eq!(to_evict(&sockets, 9), [4, 3, 2, 1]);
        assert_eq!(to_evict(&sockets, 2), [4, 3]);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_client_and_a_mapped_ipv4_address_is_ipv4() {
        let of = |text: &str| owner(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }

    fn any_sockets() -> impl Strategy<Value = Vec<Seen>> {
        let one = (0_u8..4, any::<bool>(), any::<bool>(), 0_u64..1_000);
        prop::collection::vec(one, 0..60).prop_map(|all| {
            let numbered = all.into_iter().zip(0_u64..);
            numbered.map(|((peer, busy, known, since), id)| socket(id, peer, busy, known, since)).collect()
        })
    }

    proptest! {
        #[test]
        fn no_busy_socket_is_ever_evicted_and_an_idle_one_is_always_found(
            sockets in any_sockets(), count in 1_usize..10,
        ) {
            let evicted = to_evict(&sockets, count);
            let idle = sockets.iter().filter(|socket| !socket.is_busy).count();
            prop_assert_eq!(evicted.len(), idle.min(count));
            for id in &evicted {
                prop_assert!(sockets.iter().any(|socket| socket.id == *id && !socket.is_busy));
            }
        }

        #[test]
        fn a_client_that_was_served_stays_while_a_stranger_is_there(sockets in any_sockets()) {
            for id in to_evict(&sockets, 1) {
                let chosen = sockets.iter().find(|socket| socket.id == id).unwrap();
                let strangers = sockets.iter().any(|socket| !socket.is_busy && !socket.is_known);
                prop_assert!(!(chosen.is_known && strangers));
            }
        }

        #[test]
        fn sockets_and_what_is_kept_fit_into_the_descriptors(
            descriptors in 0_u64..100_000, kept in 0_usize..5_000, asked in prop::option::of(1_usize..100_000),
        ) {
            match allowed(Some(descriptors), kept, asked) {
                Ok(sockets) => prop_assert!((sockets + kept) as u64 <= descriptors),
                Err(left) => prop_assert!(left < asked.unwrap_or(FEWEST)),
            }
        }
    }
}
