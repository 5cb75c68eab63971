import Observation

/// Network namespaces in which processes were met and whose sockets a scan could not read: too many, or closed to it.
///
/// What is known of their sockets comes from the tracepoint ring and from notices of their ends: no UDP, no Unix sockets, no
/// connection from before the start.
struct OtherNetworks {
    /// The inode of the watched namespace; `nil` where one was named, and the others are other hosts.
    private let own: UInt64?
    /// The others, and since when they are known, nanoseconds since 1970.
    private var known: [(inode: UInt64, since: UInt64)] = []

    /// Namespaces that are named one by one.
    static let mostNamed = 64

    init(own: UInt64?) { self.own = own }

    /// Takes in where a scan of every process met some; returns whether these are other namespaces than before.
    mutating func take(_ snapshot: borrowing HostSnapshot) -> Bool {
        // A scan that could not read all of them does not say that one is gone.
        guard let own, snapshot.isComplete else { return false }
        var found = Set(snapshot.processes.map(\.facts.network))
        found.subtract([0, own])
        found.subtract(snapshot.networks)
        let before = known
        let since = snapshot.wall
        known = found.sorted().map { inode in
            (inode, before.first { $0.inode == inode }?.since ?? since)
        }
        return !before.elementsEqual(known) { $0 == $1 }
    }

    var blindSpots: [BlindSpot] {
        var spots = known.prefix(Self.mostNamed).map { inode, since in
            BlindSpot(
                source: SourceName.sockets, cause: "not watched: network namespace \(inode)", since: since)
        }
        if known.count > Self.mostNamed, let first = known.map(\.since).min() {
            spots.append(
                BlindSpot(
                    source: SourceName.sockets, cause: "not watched: further network namespaces",
                    since: first))
        }
        return spots
    }

    /// That nothing is heard of other namespaces' sockets when they end, since a time.
    static func deaf(since started: UInt64) -> BlindSpot {
        BlindSpot(source: SourceName.sockets, cause: "not heard: other network namespaces", since: started)
    }

    /// The same for people.
    static let deafSentence =
        "sockets that end in other network namespaces are not reported: needs CAP_NET_BROADCAST; scans alone say what "
        + "went over connections there"

    /// What it means, for people; `nil` where there are none.
    var sentence: String? {
        guard let first = known.first else { return nil }
        let rest = known.count > 1 ? " and \(known.count - 1) more" : ""
        return
            "network namespace \(first.inode)\(rest): sockets there cannot be scanned, only TCP connections are seen; "
            + "a retinued with --netns watches one"
    }
}
