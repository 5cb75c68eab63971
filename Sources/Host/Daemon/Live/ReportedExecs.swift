import Observation
import SystemCalls
import TracepointRing

/// Where reports of execs come from, so that a test can play it.
protocol ExecReporting: AnyObject {
    func drain(_ buffer: inout [UInt8], exec: (ExecReport) -> Void, namespaces: (NamespaceReport) -> Void)
    /// Reports dropped since the start; `nil` where nobody counts.
    var lost: UInt64? { get }
    /// Opens the rings of processors that came online; `nil` for all.
    func follow(processor: Int32?) throws(TracepointError)
    /// The number to poll: readable when a ring fills, until it is drained.
    var number: Int32 { get }
}

extension ExecReports: ExecReporting {}

/// What the kernel has reported of new images by itself: what was executed, in which control group and in which namespaces.
///
/// The loop asks for it when it has read the execs of a batch. Each report was written before the proc connector's event of the
/// same exec, so it is there.
///
/// **The reports have a price.** That of the namespaces is written for every thread and every process that is made, for which the
/// kernel looks up seven of them: some twenty microseconds of whoever makes it, and no filter keeps the kernel from it. It is
/// worth that where what is made executes something. Where threads are many, or processes that execute nothing, the kernel is asked
/// for no namespaces, and for as long all images are looked at (`weigh`): what is executed, and in which group, it reports as ever.
final class ReportedExecs {
    /// What is known of one exec.
    struct Exec {
        /// The path that was executed.
        var path: [UInt8]
        /// The control group, by number.
        var group: UInt64
        /// The namespaces; `nil` where nothing was reported of the process since the start, or something was lost.
        var place: Place?
    }

    /// In which namespaces a process is, by inode.
    struct Place: Equatable {
        var mount: UInt64
        var network: UInt64
        /// When that was reported, `CLOCK_MONOTONIC`, nanoseconds.
        var time: UInt64
    }

    /// Who was reported in a namespace: first, who may have made it and may stay, and last, who may yet be there.
    struct Members: Equatable {
        var first: Int32
        var last: Int32
    }

    private struct Waiting {
        var time: UInt64
        var exec: Exec
    }

    /// Those of one process, in the order of time: hardly ever more than one, which takes no array.
    private struct WaitingInTurn {
        var first: Waiting
        var others: [Waiting] = []

        /// The last of a time or before, and what stands behind it; `nil` if there is none.
        func upTo(_ time: UInt64) -> (last: Exec, left: WaitingInTurn?)? {
            guard first.time <= time else { return nil }
            guard let place = others.lastIndex(where: { $0.time <= time }) else {
                return (first.exec, Self(others[...]))
            }
            return (others[place].exec, Self(others[(place + 1)...]))
        }

        func first(after time: UInt64, until end: UInt64) -> Waiting? {
            if first.time > time { return first.time <= end ? first : nil }
            return others.first { $0.time > time && $0.time <= end }
        }

        /// Whether it has a report that rings which were there at the same time have made of the same exec: no process executes
        /// two files within as little.
        func has(_ one: Waiting) -> Bool {
            func isSame(_ other: Waiting) -> Bool {
                max(one.time, other.time) - min(one.time, other.time) < 20_000
                    && one.exec.path == other.exec.path
            }
            return isSame(first) || others.contains(where: isSame)
        }

        init(first: Waiting) { self.first = first }

        private init?(_ all: ArraySlice<Waiting>) {
            guard let first = all.first else { return nil }
            self.first = first
            others = Array(all.dropFirst())
        }
    }

    private let open: (_ withNamespaces: Bool) throws(TracepointError) -> any ExecReporting
    /// `nil` where they could not be opened anew.
    private var reports: (any ExecReporting)?
    /// Whether these have namespaces.
    private var hasNamespaces = true
    /// Readable when the rings fill, whichever are open.
    private let poller: Poller
    /// Threads and processes that are borne though they execute nothing: with so many the reports take a five-hundredth of a
    /// processor.
    private var pace = EventPace(mostInSecond: 100, mostAtOnce: 500)
    /// Threads that were reported since they were weighed, and those that execs since then make up for.
    private var made: UInt64 = 0
    private var paidFor: UInt64 = 0
    /// Since when namespaces are to be reported no longer, `CLOCK_MONOTONIC`, nanoseconds; `nil` if they are to be.
    private var narrowSince: UInt64?
    /// Whether the next drain may bring what former rings had, too.
    private var mayHaveTwice = false
    /// How often that was so.
    private(set) var pauses: UInt64 = 0
    private var places: [Int32: Place] = [:]
    /// Execs whose event has not come yet.
    private var waiting: [Int32: WaitingInTurn] = [:]
    private var lost: UInt64 = 0
    private var buffer: [UInt8] = []
    private var execs: [ExecReport] = []
    private var joined: [NamespaceReport] = []
    private let ownMounts: UInt64
    private let ownNetwork: UInt64
    /// Processes in other mount namespaces than the daemon's, by these; see `takeOthers`.
    private var others: [UInt64: Members] = [:]
    /// Processes in other network namespaces, by these; see `takeNetworks`.
    private var networks: [UInt64: Members] = [:]

    /// Processes that are kept; beyond that all are forgotten, and those that execute something are looked at.
    private static let most = 1 << 17
    /// For how long a report waits for its event, nanoseconds.
    private static let patience: UInt64 = 10_000_000_000
    /// Threads that the report of one exec makes up for, and those that it may make up for later.
    private static let worth: UInt64 = 2
    private static let mostPaidFor: UInt64 = 64
    /// Until what was executed before all were looked at has been handed over, nanoseconds.
    private static let overlap: UInt64 = 50_000_000

    /// Opens the rings.
    ///
    /// - Parameters:
    ///   - ownMounts: the inode of the daemon's mount namespace.
    ///   - ownNetwork: that of its network namespace.
    ///   - open: opens them, with namespaces or without.
    init(
        ownMounts: UInt64, ownNetwork: UInt64 = 0,
        open: @escaping (_ withNamespaces: Bool) throws(TracepointError) -> any ExecReporting
    ) throws(TracepointError) {
        let reports = try open(true)
        self.reports = reports
        self.open = open
        self.ownMounts = ownMounts
        self.ownNetwork = ownNetwork
        do throws(SystemError) { poller = try Poller(capacity: 1) } catch { throw .system(error) }
        waitFor(reports)
    }

    /// The number to poll for rings that fill.
    var number: Int32 { poller.number }

    /// Whether there are rings to be read.
    var isOpen: Bool { reports != nil }

    /// Whether every exec will be reported, with what is known of its namespaces.
    var isReliable: Bool { reports != nil && narrowSince == nil }

    private func waitFor(_ reports: any ExecReporting) {
        // Those that are closed leave by themselves.
        try? poller.add(reports.number, token: 0)
    }

    /// Weighs what was reported against its price. From then on nobody may rely on a report's namespaces (`isReliable`), and some
    /// time later there are none; or they are there again.
    ///
    /// - Parameter now: `CLOCK_MONOTONIC`, nanoseconds.
    func weigh(at now: UInt64) {
        let covered = min(made, paidFor)
        let surplus = made - covered
        paidFor = min(paidFor - covered, Self.mostPaidFor)
        made = 0
        switch pace.take(surplus, now: now) {
        case .fewer:
            narrowSince = now
            pauses += 1
        case .all:
            if !hasNamespaces || reports == nil { reopen(withNamespaces: true) }
            pace.widened(hasNamespaces && reports != nil, now: now)
            if hasNamespaces, reports != nil { narrowSince = nil }
        case nil:
            if let since = narrowSince, hasNamespaces, now > since + Self.overlap {
                reopen(withNamespaces: false)
                places.removeAll()
            }
        }
    }

    /// Has other rings in place of these. The new ones are there before the old ones are read for the last time: what both have is
    /// one exec.
    private func reopen(withNamespaces: Bool) {
        let new: (any ExecReporting)?
        do throws(TracepointError) { new = try open(withNamespaces) } catch { new = nil }
        // Rings with namespaces that are needed and not to be had are no reason to give up those without.
        if withNamespaces, new == nil { return }
        drain()
        reports = new
        mayHaveTwice = true
        lost = 0
        hasNamespaces = withNamespaces
        if let new { waitFor(new) }
    }

    /// Opens the rings of processors that came online.
    func followProcessors() throws(TracepointError) {
        guard let reports else { return }
        try reports.follow(processor: nil)
        // What happened there before was not seen.
        places.removeAll()
    }

    /// What is known of the execs among the events, in their order; `nil` for an event that is none, and for an exec of which
    /// nothing was reported.
    func take(for events: [LifecycleEvent]) -> [Exec?] {
        drain()
        var found = [Exec?](repeating: nil, count: events.count)
        var newest: UInt64 = 0
        for (index, event) in events.enumerated() {
            newest = max(newest, event.time)
            switch event.kind {
            case .exec: found[index] = take(event)
            case .exit:
                // The pid may be another's already.
                if let place = places[event.pid], place.time <= event.time { places[event.pid] = nil }
            case .fork: continue
            }
        }
        if waiting.count > 4096 {
            waiting = waiting.filter { (_, own) in
                (own.others.last ?? own.first).time + Self.patience > newest
            }
        }
        return found
    }

    /// Mount namespaces other than the daemon's in which processes were reported since this was last asked.
    func takeOthers() -> [UInt64: Members] {
        guard !others.isEmpty else { return [:] }
        defer { others.removeAll() }
        return others
    }

    /// The same of network namespaces.
    func takeNetworks() -> [UInt64: Members] {
        guard !networks.isEmpty else { return [:] }
        defer { networks.removeAll() }
        return networks
    }

    /// Whether a process has executed anything between two moments, of what was not handed over yet.
    func hasExecuted(_ pid: Int32, after time: UInt64, until end: UInt64 = .max) -> Bool {
        drain()
        return waiting(pid, after: time, until: end) != nil
    }

    /// The first of these, of what was drained until now.
    func waiting(_ pid: Int32, after time: UInt64, until end: UInt64) -> LateLooks.Exec? {
        waiting[pid]?.first(after: time, until: end).map { LateLooks.Exec(time: $0.time, reported: $0.exec) }
    }

    private func take(_ event: LifecycleEvent) -> Exec? {
        // What stands before the one that is meant had an event that was lost.
        guard let (exec, left) = waiting[event.pid]?.upTo(event.time) else { return nil }
        waiting[event.pid] = left
        return exec
    }

    /// Takes in what the rings hold.
    func drain() {
        guard let reports else { return }
        execs.removeAll(keepingCapacity: execs.capacity <= 4096)
        joined.removeAll(keepingCapacity: joined.capacity <= 4096)
        reports.drain(&buffer) {
            execs.append($0)
        } namespaces: {
            joined.append($0)
        }
        made += UInt64(joined.count)
        paidFor += UInt64(execs.count) * Self.worth
        if let count = reports.lost, count > lost {
            made += count - lost
            lost = count
            places.removeAll()
            return note(execs)
        }
        // Each processor's are in order.
        joined.sort { $0.time < $1.time }
        execs.sort { $0.time < $1.time }
        var next = 0
        for report in joined {
            while next < execs.count, execs[next].time < report.time {
                note(execs[next...next])
                next += 1
            }
            note(report)
        }
        note(execs[next...])
        mayHaveTwice = false
        if places.count > Self.most { places.removeAll() }
    }

    private func note(_ report: NamespaceReport) {
        let place = Place(mount: report.mount, network: report.network, time: report.time)
        let member = Members(first: report.process, last: report.process)
        if report.mount != ownMounts { others[report.mount, default: member].last = report.process }
        if report.network != ownNetwork { networks[report.network, default: member].last = report.process }
        guard report.thread != report.process else {
            places[report.process] = place
            return
        }
        // A thread that is elsewhere may be the one that executes something.
        guard let known = places[report.process] else { return }
        if known.mount != place.mount || known.network != place.network { places[report.process] = nil }
    }

    private func note(_ execs: some Sequence<ExecReport>) {
        for report in execs {
            let exec = Exec(path: report.path, group: report.group, place: places[report.process])
            let one = Waiting(time: report.time, exec: exec)
            if mayHaveTwice, waiting[report.process]?.has(one) == true { continue }
            if waiting[report.process]?.others.append(one) == nil {
                waiting[report.process] = WaitingInTurn(first: one)
            }
        }
    }
}
