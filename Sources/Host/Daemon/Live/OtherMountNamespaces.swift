import Observation
import Procfs
import Synchronization
import SystemCalls

/// Mount namespaces other than the daemon's that hold filesystems which are mounted nowhere in its own: the tmpfs of a
/// container, the image of a unit, what `PrivateMounts=` hides.
///
/// They have no mark, and no path that this namespace could name: nothing is reported of them. A namespace is found when
/// the image of one of its processes is examined after an exec, and by scans. May be used from any thread.
final class OtherMountNamespaces: Sendable {
    /// One that holds such filesystems.
    struct Namespace: Equatable, Sendable {
        /// Its inode.
        var inode: UInt64
        /// Filesystems that this namespace does not show.
        var filesystems: Int
        /// Since when that is known, nanoseconds since 1970.
        var since: UInt64
    }

    private struct State {
        var known: [UInt64: Namespace] = [:]
        /// When the table of each namespace was read last, `CLOCK_MONOTONIC`, nanoseconds.
        var read: [UInt64: UInt64] = [:]
        /// Namespaces that were met since they were last gone through.
        var met: Set<UInt64> = []
    }

    private let state = Mutex(State())
    private let revision = Atomic<UInt64>(0)
    private let files = Atomic<UInt64>(0)

    /// Namespaces that are named one by one.
    static let mostNamed = 64
    /// Namespaces that are kept; beyond that, further ones count as one that has been named.
    static let most = 4096
    /// How long a table is believed, nanoseconds: a container mounts what it needs and executes right after that.
    private static let age: UInt64 = 50_000_000

    /// Rises whenever other namespaces than before are known.
    var version: UInt64 { revision.load(ordering: .acquiring) }

    /// Files that scans have found open or mapped, and which have no path in this mount namespace.
    var filesCounted: UInt64 { files.load(ordering: .relaxed) }

    /// Counts such a file.
    func countFile() { files.wrappingAdd(1, ordering: .relaxed) }

    /// Takes note of a namespace that a process is in; reads its mount table if that was not done a moment ago.
    func meet(_ namespace: UInt64, _ process: borrowing ProcessDirectory) {
        let now = Clock.monotonic()
        let isDue = state.withLock { state in
            guard state.met.contains(namespace) || state.met.count < Self.most else { return false }
            state.met.insert(namespace)
            if let last = state.read[namespace], now < last + Self.age { return false }
            state.read[namespace] = now
            return true
        }
        guard isDue, let own = try? Mount.all() else { return }
        take(namespace, Self.unseen(process.mounts(), own), Clock.wall())
    }

    /// How many filesystems of a namespace are mounted nowhere in another. An overlay is seen on its layers, whoever
    /// mounts it.
    static func unseen(_ mounts: [Mount], _ own: [Mount]) -> Int {
        let here = Set(own.map(\.device))
        let real = mounts.filter { $0.isReal && !$0.type.elementsEqual("overlay".utf8) }
        return Set(real.map(\.device)).subtracting(here).count
    }

    /// Notes how many filesystems of a namespace are not seen.
    func take(_ namespace: UInt64, _ filesystems: Int, _ wall: UInt64) {
        let isNew = state.withLock { state in
            // A mount table that grew smaller does not make up for what was missed: the namespace stays while it lives.
            let before = state.known[namespace]
            guard filesystems > before?.filesystems ?? 0 else { return false }
            state.known[namespace] = Namespace(
                inode: namespace, filesystems: filesystems, since: before?.since ?? wall)
            return true
        }
        if isNew { revision.wrappingAdd(1, ordering: .releasing) }
    }

    /// Begins a scan that will meet every namespace there is.
    func beginScan() { state.withLock { $0.met.removeAll() } }

    /// Lets those go that a scan of every process did not meet.
    func endScan() {
        let isGone = state.withLock { state in
            let before = state.known.count
            state.known = state.known.filter { state.met.contains($0.key) }
            state.read = state.read.filter { state.met.contains($0.key) }
            return state.known.count < before
        }
        if isGone { revision.wrappingAdd(1, ordering: .releasing) }
    }

    /// Those that are known, by inode.
    var all: [Namespace] { state.withLock { $0.known.values.sorted { $0.inode < $1.inode } } }

    var blindSpots: [BlindSpot] {
        let all = all
        var spots = all.prefix(Self.mostNamed).map {
            BlindSpot(
                source: SourceName.files, cause: "not watched: mount namespace \($0.inode)", since: $0.since)
        }
        if all.count > Self.mostNamed, let first = all.map(\.since).min() {
            spots.append(
                BlindSpot(
                    source: SourceName.files, cause: "not watched: further mount namespaces", since: first))
        }
        return spots
    }

    /// What it means, for people; `nil` where there are none.
    var sentence: String? {
        let all = all
        guard let first = all.first else { return nil }
        let rest = all.count > 1 ? " and \(all.count - 1) more" : ""
        let filesystems = all.reduce(0) { $0 + $1.filesystems }
        return
            "mount namespace \(first.inode)\(rest): \(filesystems) filesystems are mounted only there; "
            + "what programs open on them is not seen"
    }
}
