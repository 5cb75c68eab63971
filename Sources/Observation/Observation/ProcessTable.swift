import Records
import Text

/// A program in memory: what a process was from one exec to the next.
struct Image: Equatable {
    var program: ProgramID
    var lineage: LineageID
    /// Time of the exec, or of the fork that it came with; `CLOCK_MONOTONIC`, nanoseconds.
    var since: UInt64
    var network = NetworkPlace.unknown
    /// Whether nothing was lost that could have put another program in its place. Of one that is not certain the
    /// evidence is `inferred`, until its executable was read again or an exec was seen whole.
    var isCertain = true

    static let unknown = Image(program: .unknown, lineage: .none, since: 0)

    /// How well it is known that what its process does is done by its program.
    var evidence: Evidence { isCertain ? .exact : .inferred }
}

/// One life of a pid.
struct Process {
    let pid: Int32
    /// The program that it was before it was moved, as long as no record says so. It stands here since it takes no room: a
    /// process is copied with each of its events.
    var movedFrom = ProgramID.unknown
    /// The fork, `CLOCK_MONOTONIC`; 0 for a process that was there before the observation.
    let start: UInt64
    var image: Image
    /// Images before, oldest first; only as many as a late event can belong to.
    var formerImages: [Image] = []
    var workload: TextID
    /// Whether the image came by exec and not by fork.
    var hasExecuted: Bool
    /// Whether it, or the one that it comes from, was moved to another group which could not be read.
    var hasMovedUnseen = false
    /// What was opened between fork and exec: it belongs to the image to come as well.
    var gap: [GapOpen] = []
    /// The gaps of the processes that it descends from: their descriptors may be its own now.
    var inheritedGap: [GapOpen] = []
    /// Who made it, in the batch that reports its fork and until that is worked off; 0 later. What its parent
    /// opened before is attributed after the fork was taken in.
    var forkedBy: Int32 = 0
    /// Opens for execution whose exec was not reported yet.
    var pendingExec: [TextID] = []
    /// The script of an `env` that has not yet become its interpreter.
    var script: TextID = .none
    /// When it was read from /proc, `CLOCK_MONOTONIC`; events before that are contained in what was found.
    var foundAt: UInt64 = 0
    /// Its end; 0 while it lives.
    var exit: UInt64 = 0

    /// An open whose descriptor more than one image has.
    struct GapOpen {
        var path: TextID
        var access: Access
        /// The program that the process had when it opened.
        let opener: ProgramID
        /// The program of its next exec; unknown while there was none.
        var successor = ProgramID.unknown
    }

    /// Between fork and exec a process opens a few files; one that opens thousands is a worker that
    /// will never exec, and what it opens says nothing about an image to come.
    static let gapLimit = 512
    /// A child needs of those before it only what it can still close; the latest are kept.
    static let inheritedGapLimit = 64

    /// How many generations of one batch are asked whose descriptor was closed.
    static let unsettledForkLimit = 16

    /// What a child of this process inherits.
    var gapsForChild: [GapOpen] {
        // Almost always one of the two is empty and the other short: then nothing is copied.
        if gap.isEmpty { return inheritedGap }
        if inheritedGap.isEmpty, gap.count <= Self.inheritedGapLimit { return gap }
        return (inheritedGap + gap).suffix(Self.inheritedGapLimit)
    }

    /// The image at a time.
    func image(at time: UInt64) -> Image {
        if time >= image.since { return image }
        return formerImages.last { time >= $0.since } ?? formerImages.first ?? image
    }

    mutating func become(_ new: Image) {
        goOn(as: new)
        hasExecuted = true
        movedFrom = .unknown
    }

    /// Takes another image without an exec.
    mutating func goOn(as new: Image) {
        formerImages.append(image)
        if formerImages.count > 8 { formerImages.removeFirst() }
        image = new
    }
}

/// Processes by pid, the ended ones a while longer.
///
/// An ended process stays until its pid is used again or until `retainedExits` later ones have ended: its
/// events may still be on their way, and a leader thread can end before its threads do.
struct ProcessTable: ~Copyable {
    private var processes = PidTable<Process>()
    private var ended: [(pid: Int32, start: UInt64)] = []
    private let retainedExits: Int
    /// Ended processes that were evicted.
    private(set) var evicted: UInt64 = 0

    init(retainedExits: Int = 2048) { self.retainedExits = retainedExits }

    /// How many processes are known, the ended ones included.
    var count: Int { processes.count }

    /// A process, if it is known.
    ///
    /// Changing one in place (`table[pid]?.gap.append`) spares a copy of its lists and allocates four times:
    /// each layer that lends the value keeps a frame on the heap. What happens with every fork takes the
    /// process out, changes it and puts it back.
    subscript(pid: Int32) -> Process? {
        get { processes[pid] }
        _modify { yield &processes[pid] }
    }

    /// Puts a new process in, or one that was changed in the place of what it was.
    mutating func put(_ process: Process) { processes[process.pid] = process }

    /// Notes the end of a process.
    mutating func end(_ pid: Int32, at time: UInt64) {
        guard var process = processes[pid] else { return }
        process.exit = time
        processes[pid] = process
        ended.append((pid, process.start))
    }

    /// Evicts the oldest ended processes beyond the bound; to be called between batches, when every event of
    /// theirs has been read.
    ///
    /// - Returns: how many opens for images to come went with them.
    @discardableResult
    mutating func evictExits(retaining most: Int? = nil) -> Int {
        let most = most ?? retainedExits
        guard ended.count > most + (most == 0 ? 0 : 256) else { return 0 }
        let surplus = ended.count - most
        var gaps = 0
        for entry in ended.prefix(surplus) {
            // The pid may have been given to another process since.
            if let process = processes[entry.pid], process.start == entry.start, process.exit != 0 {
                processes[entry.pid] = nil
                gaps += process.gap.count
                evicted += 1
            }
        }
        ended.removeFirst(surplus)
        return gaps
    }

    /// Ends living processes that a scan, begun at `time`, did not find: their exit was lost. One that was made
    /// or met since may not have been there yet.
    mutating func retain(_ pids: Set<Int32>, at time: UInt64) {
        for (pid, process) in processes
        where process.exit == 0 && !pids.contains(pid) && process.start < time && process.foundAt < time {
            end(pid, at: time)
        }
    }

    /// Lends the processes that have not ended.
    func forEachLiving(_ body: (Process) -> Void) {
        for (_, process) in processes where process.exit == 0 { body(process) }
    }

    /// Notes what processes refer to by number.
    func addUses(to uses: inout LedgerUses, _ lines: inout Set<LineageID>) {
        for (_, process) in processes {
            for image in process.formerImages + [process.image] {
                uses.programs.append(image.program)
                lines.insert(image.lineage)
            }
            uses.programs.append(process.movedFrom)
            uses.texts += [process.workload, process.script] + process.pendingExec
            for open in process.gap + process.inheritedGap {
                uses.texts.append(open.path)
                uses.programs += [open.opener, open.successor]
            }
        }
    }

    /// Follows a renumbering.
    mutating func renumber(_ change: Renumbering, _ lines: [LineageID: LineageID]) {
        for (pid, process) in processes {
            var process = process
            process.image.renumber(change, lines)
            for index in process.formerImages.indices { process.formerImages[index].renumber(change, lines) }
            process.movedFrom = change(process.movedFrom)
            process.workload = change(process.workload)
            process.script = change(process.script)
            process.pendingExec = process.pendingExec.map { change($0) }
            process.gap = process.gap.map { $0.renumbered(change) }
            process.inheritedGap = process.inheritedGap.map { $0.renumbered(change) }
            processes[pid] = process
        }
    }

    /// Makes it uncertain of which workload any process is: one that is not known was moved.
    mutating func distrustWorkloads() {
        for pid in Array(processes.pids) { processes[pid]?.hasMovedUnseen = true }
    }

    /// Makes the images of all processes uncertain: events that are missing may have replaced any of them.
    mutating func distrust() {
        for pid in Array(processes.pids) { processes[pid]?.image.isCertain = false }
    }
}

extension Image {
    /// Follows a renumbering.
    mutating func renumber(_ change: Renumbering, _ lines: [LineageID: LineageID]) {
        program = change(program)
        lineage = lines[lineage] ?? .none
    }
}

extension Process.GapOpen {
    fileprivate func renumbered(_ change: Renumbering) -> Self {
        Self(path: change(path), access: access, opener: change(opener), successor: change(successor))
    }
}
