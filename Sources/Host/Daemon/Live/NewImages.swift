import Glibc
import Observation
import Procfs
import SocketDiagnostics
import Synchronization
import SystemCalls
import TracepointRing

/// What becomes known of new images: by looking at a process at once, or from what the kernel reports without being asked.
///
/// Being woken for a program and reading of it in /proc takes several times what the rest does that is known of it. Most
/// programs need neither (`ExecSelection`): their file is reported by fanotify, their control group and namespaces by
/// the exec's own record. So where these records are to be had, the reader of images is woken for the others alone.
final class NewImages {
    private let reader: ImageReader
    private let reported: ReportedExecs?
    /// `nil` where a control group's number does not say what it is called by.
    private let groups: GroupPaths?
    private let others: OtherMountNamespaces
    private let numbers: NetworkNumbers?
    private let ownMounts: UInt64
    private let ownNetwork: UInt64
    /// Whether the reader is woken for some execs alone.
    private(set) var isSelective = false
    /// Images that are known from what the kernel has reported.
    private(set) var reportedImages: UInt64 = 0
    /// Until when it is woken for all, `CLOCK_MONOTONIC`, nanoseconds.
    private var promptUntil: UInt64 = 0
    /// Whether some processor's execs may not be reported.
    private var isBlind = false
    private var numbersOfGroups: GroupNumbers?
    /// Whether there are groups of which the kernel gives another one's number.
    private var isMisnumbered = false
    private var leads = LeadsOfPaths()
    private var unmet = UnmetNamespaces()
    /// When a report was waited for last, `CLOCK_MONOTONIC`, nanoseconds.
    private var lastWait: UInt64 = 0
    /// When namespaces were last entered, by inode, `CLOCK_MONOTONIC`, nanoseconds.
    private var entered: [UInt64: UInt64] = [:]

    /// For how long after a mount namespace was met, or a process moved, all images are looked at, nanoseconds.
    private static let settling: UInt64 = 2_000_000_000
    /// For how long all are looked at after a program was met of which only a look says what it is, nanoseconds.
    private static let looking: UInt64 = 60_000_000_000
    /// For how long a namespace is not entered again, nanoseconds.
    private static let pause: UInt64 = 50_000_000
    /// From one wait for a report to the next, nanoseconds: a tenth of the time at most.
    private static let rest = LateLooks.change * 10

    /// - Parameters:
    ///   - isWanted: whether rings may be used.
    ///   - groups: the names of control groups by their numbers; found out by default.
    init(
        files: FileAccess, numbers: NetworkNumbers?, isWanted: Bool, groups: GroupPaths? = GroupPaths()
    ) throws(SystemError) {
        let own = ProcessDirectory(getpid())
        ownMounts = own?.namespace("mnt") ?? 0
        ownNetwork = own?.namespace("net") ?? 0
        others = files.roots.others
        self.numbers = numbers
        self.groups = groups
        var urgent: UrgentExecs?
        var reported: ReportedExecs?
        // Without them every image is looked at, as on a kernel that has no such records, or whose numbers are of another hierarchy.
        numbersOfGroups = GroupNumbers()
        if isWanted, ownMounts != 0, numbersOfGroups != nil,
            GroupPaths.areNumbersUnified(own?.controlGroups())
        {
            do throws(TracepointError) {
                reported = try ReportedExecs(ownMounts: ownMounts, ownNetwork: ownNetwork) {
                    (withNamespaces) throws(TracepointError) in
                    try ExecReports(withNamespaces: withNamespaces)
                }
                urgent = try UrgentExecs(ExecSelection.filter)
            } catch { reported = nil }
        }
        self.reported = reported
        reader = try ImageReader(files: files, numbers: numbers, urgent: urgent)
    }

    /// Exec notifications that were lost, and images that were read and not kept.
    var lost: UInt64 { reader.lost }

    /// What to wait for besides the sources: reports that nobody has read.
    var numbersToPoll: [Int32] { (reported?.number).map { [$0] } ?? [] }
    /// Mount namespaces, at least, that were reported and gone before they could be entered.
    var namespacesMissed: UInt64 { unmet.count(at: Clock.monotonic()) { others.hasMet($0) } }
    /// How often the kernel was no longer asked for namespaces, since these cost more than they were worth.
    var pauses: UInt64 { reported?.pauses ?? 0 }

    /// Opens the rings of processors that came online.
    func followProcessors() {
        do throws(TracepointError) {
            try reported?.followProcessors()
            try reader.followProcessors()
            isBlind = false
        } catch { isBlind = true }
        settle()
    }

    /// Where a group's number does not say what it is called by, whoever is moved is looked at for a while, as are those who are
    /// moved with it: most execute something at once.
    func processesWereMoved() {
        guard groups == nil else { return }
        promptUntil = max(promptUntil, Clock.monotonic() + Self.settling)
        settle()
    }

    /// Hands over what is known of the images of all execs of a batch.
    func take(for events: [LifecycleEvent], into images: inout [ImageFacts]) {
        guard let reported else { return reader.take(for: events, into: &images) }
        if reported.isOpen {
            take(reported, for: events, into: &images)
        } else {
            reader.take(for: events, into: &images)
        }
        reported.weigh(at: Clock.monotonic())
        settle()
    }

    private func take(
        _ reported: ReportedExecs, for events: [LifecycleEvent], into images: inout [ImageFacts]
    ) {
        let known = reported.take(for: events)
        meet(reported)
        let areNumbersTrue = numbersOfGroups?.areTrue(for: known.lazy.compactMap { $0?.group }) ?? false
        let first = images.count
        reader.take(for: events, known: known, into: &images)
        dropLate(&images, from: first, events, known, reported)
        // By process; most batches have none.
        var read: [Int32: [Int]] = [:]
        for index in images.indices[first...] { read[images[index].pid, default: []].append(index) }
        var ends: [Int32: UInt64]?
        func isLast(_ event: LifecycleEvent) -> Bool {
            if ends == nil { ends = Self.ends(events) }
            return ends?[event.pid] == event.time
        }
        for (event, exec) in zip(events, known) {
            guard event.kind == .exec, let exec else { continue }
            let looked = read.isEmpty ? nil : read[event.pid]?.last { images[$0].time == event.time }
            if let index = looked {
                images[index].group = areNumbersTrue ? exec.group : 0
                images[index].path = lead(of: exec) ?? exec.path
            } else if var facts = facts(event, exec, areNumbersTrue, isLast: isLast(event)) {
                if facts.isReported { reportedImages += 1 }
                if !areNumbersTrue { facts.group = 0 }
                images.append(facts)
            }
        }
        isMisnumbered = !areNumbersTrue
    }

    /// Enters namespaces through the process that was reported to be in them: nobody may execute anything there that lives long
    /// enough to be looked at. Those that are known as well, since the number of one that has ended is given again. In one that
    /// nobody could be met in, whoever executes something next is looked at.
    private func meet(_ reported: ReportedExecs) {
        let now = Clock.monotonic()
        for (namespace, members) in reported.takeOthers() {
            let isKnown = others.hasMet(namespace)
            if !isKnown { promptUntil = max(promptUntil, now + Self.settling) }
            guard isDue(namespace, now) else { continue }
            if let process = Self.member(members, of: "mnt", namespace) {
                unmet.meet(namespace, at: now, isKnown: isKnown)
                others.meet(namespace, process)
            } else if !isKnown, unmet.miss(namespace, at: now) {
                // Whoever starts others there may live on.
                others.seek(namespace)
            }
        }
        guard let numbers else { return }
        for (network, members) in reported.takeNetworks() where isDue(network, now) {
            let isKnown = numbers.knows(network)
            if let process = Self.member(members, of: "net", network),
                let namespace = process.openNamespace("net")
            {
                numbers.meet(namespace)
                if isKnown { continue }
            } else if isKnown, numbers.isThere(network) {
                continue
            }
            promptUntil = max(promptUntil, now + Self.settling)
        }
    }

    /// Somebody who is in a namespace still.
    private static func member(
        _ members: ReportedExecs.Members, of kind: String, _ namespace: UInt64
    ) -> ProcessDirectory? {
        if let process = ProcessDirectory(members.last), process.namespace(kind) == namespace {
            return process
        }
        guard members.first != members.last, let process = ProcessDirectory(members.first),
            process.namespace(kind) == namespace
        else { return nil }
        return process
    }

    /// Whether a namespace was not entered a moment ago; on a host with many, each batch has somebody in most of them.
    private func isDue(_ namespace: UInt64, _ now: UInt64) -> Bool {
        if let last = entered[namespace], now < last + Self.pause { return false }
        if entered.count >= OtherMountNamespaces.most { entered.removeAll() }
        entered[namespace] = now
        return true
    }

    /// Drops what was read of an image when its process had executed something else already: that is another one's.
    private func dropLate(
        _ images: inout [ImageFacts], from first: Int, _ events: [LifecycleEvent],
        _ known: [ReportedExecs.Exec?], _ reported: ReportedExecs
    ) {
        guard images.count > first else { return }
        let looks = LateLooks(events, known) {
            reported.waiting($0, after: $1, until: $2)
        } lead: {
            self.lead(of: $0)
        }
        let (now, settled) = (Clock.monotonic(), looks.settled(images[first...]))
        if settled > now { usleep(UInt32(clamping: (settled - now) / 1000 + 1)) }
        // Once for all of them: it asks the kernel.
        reported.drain()
        for index in looks.late(images[first...]) { images.remove(at: index) }
    }

    /// The file to which the path of an exec leads; `nil` where that is not known.
    private func lead(of exec: ReportedExecs.Exec) -> [UInt8]? {
        exec.place?.mount == ownMounts ? leads.file(of: exec.path) : nil
    }

    /// Whether a process has executed anything after a moment that no batch has worked off.
    func hasExecuted(_ pid: Int32, after time: UInt64) -> Bool {
        guard let reported else { return false }
        if reported.hasExecuted(pid, after: time) { return true }
        // What a process executes shows a moment before it is reported. Whoever is asked for many cannot wait for each.
        let now = Clock.monotonic()
        guard now >= lastWait + Self.rest else { return false }
        lastWait = now
        usleep(UInt32(LateLooks.change / 1000))
        return reported.hasExecuted(pid, after: time)
    }

    /// Has all images looked at for a while.
    func needLooks() {
        promptUntil = max(promptUntil, Clock.monotonic() + Self.looking)
        settle()
    }

    /// When each process of a batch last executed something, or ended: until then it was what an exec had made of it.
    private static func ends(_ events: [LifecycleEvent]) -> [Int32: UInt64] {
        var ends: [Int32: UInt64] = [:]
        for event in events where event.kind != .fork {
            ends[event.pid] = max(ends[event.pid] ?? 0, event.time)
        }
        return ends
    }

    /// What is known of an exec whose process was not looked at.
    private func facts(
        _ event: LifecycleEvent, _ exec: ReportedExecs.Exec, _ areNumbersTrue: Bool,
        isLast: @autoclosure () -> Bool
    ) -> ImageFacts? {
        let lead = lead(of: exec)
        // A link of a plain name to an interpreter, to one file that is many commands, or to elsewhere.
        let isHidden = lead.map { ExecSelection.isUrgent($0) && !ExecSelection.isUrgent(exec.path) } ?? false
        if isHidden { promptUntil = max(promptUntil, Clock.monotonic() + Self.looking) }
        if !isSettled(exec.place) || isHidden || !areNumbersTrue, isLast(),
            let facts = reader.image(event.pid, event.time),
            !hasExecuted(event.pid, after: event.time)
        {
            var facts = facts
            facts.group = exec.group
            facts.path = lead ?? exec.path
            return facts
        }
        var facts = ImageFacts(
            pid: event.pid, time: event.time, executable: lead ?? exec.path, network: exec.place?.network ?? 0
        )
        facts.isReported = true
        facts.isResolved = lead != nil
        // A link may have been switched since: then the path says how far it is to be believed.
        // Where it ends like the path, as `/usr/bin/true` like `/bin/true`, the path itself says which file it is, and no link is asked.
        if let lead,
            lead != exec.path && lead.suffix(exec.path.count) == exec.path[...]
                || !LeadsOfPaths.led(exec.path, to: lead, at: Self.wall(of: event.time))
        {
            facts.path = exec.path
        }
        facts.name = exec.path.withUnsafeBytes { Array(lastComponent($0)) }
        facts.group = exec.group
        if areNumbersTrue, let workload = groups?.workload(of: exec.group) {
            facts.workload = workload
        } else {
            facts.hasWorkload = false
        }
        return facts
    }

    /// A moment of `CLOCK_MONOTONIC` in nanoseconds since 1970.
    private static func wall(of time: UInt64) -> UInt64 {
        let (now, wall) = (Clock.monotonic(), Clock.wall())
        return wall - min(wall, now - min(now, time))
    }

    /// Whether nothing is to be learnt of a process's namespaces by looking at it.
    private func isSettled(_ place: ReportedExecs.Place?) -> Bool {
        guard let place else { return false }
        return (place.mount == ownMounts || others.hasMet(place.mount))
            && (place.network == ownNetwork || numbers?.knows(place.network) ?? true)
    }

    /// Has the reader woken for all execs, or for some.
    ///
    /// In a new mount namespace, and in one that shows what is not watched, a program's file may be reported by nobody: then
    /// each is looked at.
    private func settle() {
        let isWanted =
            reported?.isReliable ?? false && !isBlind && !isMisnumbered && Clock.monotonic() >= promptUntil
            && others.areSettled
        guard isWanted != isSelective else { return }
        if reader.setSelective(isWanted) { isSelective = isWanted } else { isBlind = true }
    }
}
