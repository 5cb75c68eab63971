import Fanotify
import Glibc
import Observation
import Procfs
import Synchronization
import SystemCalls

/// Mount namespaces other than the daemon's that hold filesystems which are mounted nowhere in its own.
///
/// A namespace is found when the image of one of its processes is examined after an exec, by scans, and from Linux 6.15 on
/// when something is mounted in one that was found. Its filesystems are marked there and then (`PrivateFilesystems`);
/// of those that cannot be, or for which there is no room, nothing is reported. May be used from any thread.
final class OtherMountNamespaces: Sendable {
    /// One that holds filesystems which are not watched.
    struct Namespace: Equatable, Sendable {
        /// Its inode.
        var inode: UInt64
        /// Filesystems that are not watched.
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
        /// Mounts of overlays in other namespaces, by identity: before Linux 6.5 alone.
        var overlays: [Int: Mount] = [:]
        var scanBegun: UInt64 = 0
        var lastScan: UInt64 = Clock.wall()
        /// When each was met first, `CLOCK_MONOTONIC`, nanoseconds.
        var since: [UInt64: UInt64] = [:]
        /// The process that was met last in each.
        var someone: [UInt64: Int32] = [:]
        /// Where a look may have come too early, and when to look again, `CLOCK_MONOTONIC`, nanoseconds.
        var looks: [UInt64: LaterLook] = [:]
        /// When every process was last asked for its namespace, `CLOCK_MONOTONIC`, nanoseconds.
        var searched: UInt64 = 0
        /// Filesystems that a look did not find where their names say, by `fsid`, and until when there is no other look.
        var vain: [UInt64: UInt64] = [:]
    }

    /// Filesystems that only these show.
    let filesystems = PrivateFilesystems()
    /// What reports mounts where the kernel does (since Linux 6.15), and looks again; `nil` without descriptors.
    let changes = MountReports()

    private let own = ProcessDirectory(getpid())?.namespace("mnt")
    private let state = Mutex(State())
    private let revision = Atomic<UInt64>(0)
    private let files = Atomic<UInt64>(0)

    /// Namespaces that are named one by one.
    static let mostNamed = 64
    /// Namespaces that are kept; beyond that, further ones count as one that has been named.
    static let most = 4096
    /// How long a table is believed, nanoseconds: a container mounts what it needs and executes right after that. Where
    /// new mounts are reported, only what was missed is looked for.
    private static let age: UInt64 = 20_000_000
    private static let ageOfFollowed: UInt64 = 1_000_000_000
    /// How long every process is not asked again, nanoseconds.
    private static let ageOfSearch: UInt64 = 1_000_000_000
    /// For how long a namespace is new, nanoseconds.
    private static let settling: UInt64 = 2_000_000_000

    /// Rises whenever other namespaces than before are known.
    var version: UInt64 { revision.load(ordering: .acquiring) }

    /// Files that scans have found open or mapped, and which have no path in this mount namespace.
    var filesCounted: UInt64 { files.load(ordering: .relaxed) }

    /// Counts such a file.
    func countFile() { files.wrappingAdd(1, ordering: .relaxed) }

    /// Takes note of a namespace that a process is in; reads its mount table if that was not done a moment ago.
    ///
    /// - Parameter hasChanged: whether something was mounted in it since.
    func meet(_ namespace: UInt64, _ process: borrowing ProcessDirectory, hasChanged: Bool = false) {
        let now = Clock.monotonic()
        let pid = process.pid
        // First, so that no mount falls between this and the look at the table.
        let isNew = changes?.follow(pid)
        if isNew == true { forget(namespace) }
        let isDue = state.withLock { state in
            guard state.met.contains(namespace) || state.met.count < Self.most else { return false }
            state.met.insert(namespace)
            state.someone[namespace] = pid
            // A runtime mounts, moves its root, which is reported nowhere, and starts the program.
            let first = state.since[namespace] ?? now
            state.since[namespace] = first
            let age = isNew == nil || now < first + Self.settling ? Self.age : Self.ageOfFollowed
            if !hasChanged, let last = state.read[namespace], now < last + age { return false }
            state.read[namespace] = now
            return true
        }
        filesystems.note(pid, in: namespace)
        if isDue { look(namespace, process, hasChanged: hasChanged || isNew == true) }
    }

    /// Whether whatever is executed in any namespace that was met is reported by the filesystem that it lies on: all that they
    /// show is watched, and what may yet be mounted there will be reported. In one that is new a runtime may still be at work.
    var areSettled: Bool {
        let now = Clock.monotonic()
        return state.withLock { state in
            state.since.isEmpty
                || changes?.reportsMounts == true && state.known.isEmpty && state.looks.isEmpty
                    && state.since.values.allSatisfy { now >= $0 + Self.settling }
        }
    }

    /// Whether a namespace was met.
    func hasMet(_ namespace: UInt64) -> Bool { state.withLock { $0.since[namespace] != nil } }

    /// Reads the mount table of a namespace and marks what is not seen yet.
    ///
    /// - Parameter hasChanged: whether something was mounted in it since the last look.
    private func look(
        _ namespace: UInt64, _ process: borrowing ProcessDirectory, hasChanged: Bool = false
    ) {
        guard let own = try? Mount.all() else { return }
        let mounts = process.mounts()
        let table = MountTable(mounts)
        // Before Linux 6.5 an overlay is not seen on its layers.
        let withOverlays = !KernelRelease.reportsLayersOfOverlays
        if withOverlays { keepOverlays(of: mounts) }
        var unwatched = 0
        var isHidden = false
        for mounts in Self.unseen(mounts, own, withOverlays: withOverlays) {
            switch filesystems.watch(mounts, table, namespace, process) {
            case .watched: break
            case .hidden: isHidden = true
            case .not: unwatched += 1
            }
        }
        // Whoever was met may be gone at once: the first of the namespace stays.
        let first = Self.first(of: namespace, process)
        filesystems.note(first, in: namespace, willStay: first != process.pid)
        take(namespace, unwatched, Clock.wall())
        // A mount that cannot be reached may be about to become reachable, by a move of the root that nobody reports.
        if isHidden || changes?.reportsMounts != true { lookLater(namespace, isChanged: hasChanged) }
    }

    /// The eldest among a process and those from which it comes that are in the same namespace.
    private static func first(of namespace: UInt64, _ process: borrowing ProcessDirectory) -> Int32 {
        var eldest = process.pid
        var parent = process.status()?.parent
        // A container's processes are few levels deep; the bound is for what changes while it is read.
        for _ in 0..<64 {
            guard let pid = parent, let process = ProcessDirectory(pid), process.namespace("mnt") == namespace
            else { break }
            eldest = pid
            parent = process.status()?.parent
        }
        return eldest
    }

    // MARK: Looking again

    /// Has a namespace looked at again in a moment: the sooner the fewer looks there were since something changed in it.
    private func lookLater(_ namespace: UInt64, isChanged: Bool) {
        let now = Clock.monotonic()
        let moment = state.withLock { state in
            var look = isChanged ? LaterLook() : state.looks[namespace] ?? LaterLook()
            look.advance(now)
            state.looks[namespace] = look
            return look.moment
        }
        changes?.act(by: moment)
    }

    /// Looks at the namespaces whose moment has come, through any process that is still there.
    func lookAgain() {
        let now = Clock.monotonic()
        let (due, later) = state.withLock { state in
            let due = state.looks.filter { $0.value.moment <= now }.map { ($0.key, state.someone[$0.key]) }
            return (due, state.looks.values.map(\.moment).filter { $0 > now }.min() ?? .max)
        }
        changes?.act(by: later)
        for (namespace, someone) in due where !lookAgain(namespace, someone) {
            state.withLock { $0.looks[namespace] = nil }
        }
    }

    /// - Returns: whether somebody is still there.
    private func lookAgain(_ namespace: UInt64, _ someone: Int32?, hasChanged: Bool = false) -> Bool {
        for pid in filesystems.people(in: namespace) + (someone.map { [$0] } ?? []) {
            guard let process = ProcessDirectory(pid), process.namespace("mnt") == namespace else { continue }
            look(namespace, process, hasChanged: hasChanged)
            return true
        }
        return false
    }

    /// Looks at once at the namespaces that show a filesystem which does not lie where it lay: a path is about to be made of
    /// it, and pivot_root(2), by which every runtime ends its mounts, is reported nowhere.
    func refresh(_ fsid: UInt64) {
        guard let namespaces = filesystems.namespacesIfMoved(fsid) else { return }
        let now = Clock.monotonic()
        guard state.withLock({ now >= ($0.vain[fsid] ?? 0) }) else { return }
        for namespace in namespaces {
            let someone = state.withLock { $0.someone[namespace] }
            if !lookAgain(namespace, someone) { search(namespace) }
        }
        // Named by a namespace that is gone, and still used by others: each of its directories would have tables read.
        guard filesystems.namespacesIfMoved(fsid) != nil else { return }
        state.withLock { state in
            if state.vain.count >= PrivateFilesystems.most { state.vain.removeAll() }
            state.vain[fsid] = now + Self.ageOfSearch
        }
    }

    /// Meets whoever is in a namespace of which nobody that was reported in it is there any more.
    func seek(_ namespace: UInt64) {
        if let process = anybody(in: namespace) { meet(namespace, process) }
    }

    /// Looks at a namespace of which all that were met are gone.
    private func search(_ namespace: UInt64) {
        if let process = anybody(in: namespace) { look(namespace, process) }
    }

    /// Anybody in a namespace; not too often, since it asks every process.
    private func anybody(in namespace: UInt64) -> ProcessDirectory? {
        let now = Clock.monotonic()
        let isDue = state.withLock { state in
            guard now >= state.searched + Self.ageOfSearch else { return false }
            state.searched = now
            return true
        }
        guard isDue else { return nil }
        for pid in ProcessList.pids() {
            if let process = ProcessDirectory(pid), process.namespace("mnt") == namespace { return process }
        }
        return nil
    }

    /// Looks at the namespaces of processes that mounted something; `nil` among them stands for processes that are not
    /// known, or gone: then at all.
    func mounted(_ pids: Set<Int32?>) {
        var isAnywhere = false
        for pid in pids {
            guard let pid, let process = ProcessDirectory(pid), let namespace = process.namespace("mnt")
            else {
                isAnywhere = true
                continue
            }
            if namespace != own { meet(namespace, process, hasChanged: true) }
        }
        guard isAnywhere else { return }
        for (namespace, pid) in state.withLock({ $0.someone }) {
            _ = lookAgain(namespace, pid, hasChanged: true)
        }
    }

    private func keepOverlays(of mounts: [Mount]) {
        state.withLock { state in
            if state.overlays.count > Self.most { state.overlays.removeAll() }
            for mount in mounts where mount.type.elementsEqual("overlay".utf8) {
                state.overlays[mount.id] = mount
            }
        }
    }

    /// Forgets the namespace that had a number before.
    private func forget(_ namespace: UInt64) {
        let wasKnown = state.withLock { state in
            state.read[namespace] = nil
            state.since[namespace] = nil
            state.looks[namespace] = nil
            return state.known.removeValue(forKey: namespace) != nil
        }
        filesystems.forget(namespace)
        if wasKnown { revision.wrappingAdd(1, ordering: .releasing) }
    }

    /// The filesystems of a namespace that are mounted nowhere in another, as the mounts of each, those of a whole
    /// one first. An overlay is seen on its layers, whoever mounts it.
    static func unseen(_ mounts: [Mount], _ own: [Mount], withOverlays: Bool = false) -> [[Mount]] {
        let here = Set(own.map(\.device))
        return FilesystemWatch.filesystems(
            mounts.filter {
                !here.contains($0.device) && (withOverlays || !$0.type.elementsEqual("overlay".utf8))
            })
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
    func beginScan() {
        state.withLock { state in
            state.met.removeAll()
            state.scanBegun = Clock.wall()
        }
    }

    /// When the last scan began that met every namespace, nanoseconds since 1970.
    var lastScan: UInt64 { state.withLock { $0.lastScan } }

    /// An overlay of a namespace that was met, by the identity of its mount.
    func overlay(_ mount: UInt64) -> Mount? { state.withLock { $0.overlays[Int(clamping: mount)] } }

    /// Lets those go that a scan of every process did not meet.
    func endScan() {
        let (isGone, met) = state.withLock { state in
            let before = state.known.count
            state.known = state.known.filter { state.met.contains($0.key) }
            state.read = state.read.filter { state.met.contains($0.key) }
            state.lastScan = state.scanBegun
            state.since = state.since.filter { state.met.contains($0.key) }
            state.looks = state.looks.filter { state.met.contains($0.key) }
            state.someone = state.someone.filter { state.met.contains($0.key) }
            return (state.known.count < before, state.met)
        }
        if let own = try? Mount.all() { filesystems.keep(met, shownHere: Set(own.map(\.device))) }
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
