import Glibc
import Procfs
import SystemCalls

/// Who holds which end of a pipe or FIFO, by the flags that their descriptors were opened with.
struct PipeEnds {
    private(set) var writers: [Int32] = []
    private(set) var readers: [Int32] = []
    /// A descriptor by which each of them has it.
    private var writing: [Int32: Int32] = [:]
    private var reading: [Int32: Int32] = [:]

    mutating func note(_ pid: Int32, _ descriptor: Int32, flags: Int32) {
        if flags & O_ACCMODE != O_RDONLY, writers.last != pid {
            writers.append(pid)
            writing[pid] = descriptor
        }
        if flags & O_ACCMODE != O_WRONLY, readers.last != pid {
            readers.append(pid)
            reading[pid] = descriptor
        }
    }

    /// Whether one process may have written what another one reads.
    var areOfSeveral: Bool {
        guard let writer = writers.first, let reader = readers.first else { return false }
        return writers.count > 1 || readers.count > 1 || writer != reader
    }

    /// Those that hold it, each with the descriptors by which it does.
    var descriptors: [Int32: [Int32]] {
        writing.mapValues { [$0] }.merging(reading.mapValues { [$0] }) { $0 == $1 ? $0 : $0 + $1 }
    }

    /// Takes in those of processes that come after all of these.
    mutating func append(_ later: PipeEnds) {
        writers += later.writers
        readers += later.readers
        writing.merge(later.writing) { first, _ in first }
        reading.merge(later.reading) { first, _ in first }
    }

    /// Without those that have closed their end since: processes are met one after another, and who makes a pipe for others
    /// holds it for a moment.
    ///
    /// - Parameter isOpen: whether a process still has it by a descriptor.
    func kept(_ isOpen: (_ pid: Int32, _ descriptor: Int32) -> Bool) -> PipeEnds {
        var ends = self
        ends.writers.removeAll { pid in writing[pid].map { !isOpen(pid, $0) } ?? true }
        ends.readers.removeAll { pid in reading[pid].map { !isOpen(pid, $0) } ?? true }
        return ends
    }

    /// Without those that share an end with others and merely inherited it: whoever has never written anything since it
    /// was forked has not written to this.
    ///
    /// - Parameter calls: how many reads and writes a process has made; `nil` where that cannot be known.
    func used(_ calls: (Int32) -> TransferCalls?) -> PipeEnds {
        var ends = self
        if writers.count > 1 { ends.writers.removeAll { calls($0)?.writes == 0 } }
        if readers.count > 1 { ends.readers.removeAll { calls($0)?.reads == 0 } }
        return ends
    }
}

/// What another look at the end of a scan finds of the processes that have pipes and FIFOs in common: whether they hold them
/// still, and whether they have read or written anything.
struct PipeHolders: Sendable {
    private struct Question: Sendable {
        var pid: Int32
        var descriptors: [(number: Int32, inode: UInt64)] = []
        /// Whether others hold the same end of one.
        var isOneOfMany = false
    }

    private struct Answer: Sendable {
        /// The descriptors by which it holds them still.
        var open: [Int32] = []
        var calls: TransferCalls?
    }

    private var answers: [Int32: Answer] = [:]
    /// How many processes another thread has looked at.
    private(set) var readByOther = 0

    /// Looks at the processes that hold these.
    ///
    /// - Parameter least: with so many another thread helps, if there is a processor for it.
    init(_ pipes: [(ends: PipeEnds, inode: UInt64)], leastForTwo least: Int = ScanCursor.leastForTwo) {
        var questions: [Int32: Question] = [:]
        for (ends, inode) in pipes where ends.areOfSeveral {
            let isOneOfMany = ends.writers.count > 1 || ends.readers.count > 1
            for (pid, numbers) in ends.descriptors {
                var question = questions[pid] ?? Question(pid: pid)
                question.descriptors += numbers.map { ($0, inode) }
                question.isOneOfMany = question.isOneOfMany || isOneOfMany
                questions[pid] = question
            }
        }
        var all = questions.values.sorted { $0.pid < $1.pid }
        var half: Deferred<[Int32: Answer]>?
        if all.count >= least, sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1 {
            let others = Array(all.suffix(all.count / 2))
            half = try? Deferred { Self.answers(others) }
            if half != nil {
                all.removeLast(others.count)
                readByOther = others.count
            }
        }
        answers = Self.answers(all)
        if let half { answers.merge(half.wait()) { first, _ in first } }
    }

    private static func answers(_ questions: [Question]) -> [Int32: Answer] {
        var answers: [Int32: Answer] = [:]
        for question in questions {
            guard let process = ProcessDirectory(question.pid) else { continue }
            var answer = Answer()
            for (number, inode) in question.descriptors
            where process.statistics(descriptor: number)?.inode == inode { answer.open.append(number) }
            if question.isOneOfMany { answer.calls = process.transferCalls() }
            answers[question.pid] = answer
        }
        return answers
    }

    /// Those of one of the pipes that hold it still and use it.
    func remaining(_ ends: PipeEnds) -> PipeEnds {
        ends.kept { pid, descriptor in answers[pid]?.open.contains(descriptor) == true }
            .used { answers[$0]?.calls }
    }
}
