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

/// Another look, at the end of a scan, at the processes that have pipes and FIFOs in common: whether they hold them still, and
/// whether they have read or written anything.
struct PipeLook {
    fileprivate struct Question: Sendable {
        var pid: Int32
        var descriptors: [(number: Int32, inode: UInt64)] = []
        /// Whether others hold the same end of one.
        var isOneOfMany = false
    }

    private let work: SharedWork<Question>
    private var helper: Deferred<[PipeHolders.Answers]>?

    /// Begins to look at the processes that hold these.
    init(_ holders: DescriptorHolders) {
        let pipes = holders.pipes.map { ($0.value, UInt64($0.key)) }
        self.init(pipes + holders.fifos.map { ($0.value.ends, $0.key.inode) })
    }

    /// - Parameters:
    ///   - least: with so many another thread begins at once, if there is a processor for it; what is found is the same.
    ///   - block: how many each of the two takes at a time.
    init(
        _ pipes: [(ends: PipeEnds, inode: UInt64)], leastForTwo least: Int = ScanCursor.leastForTwo,
        block: Int = 256
    ) {
        var questions: [Int32: Question] = [:]
        for (ends, inode) in pipes where ends.areOfSeveral {
            let isOneOfMany = ends.writers.count > 1 || ends.readers.count > 1
            for (pid, numbers) in ends.descriptors {
                questions[pid, default: Question(pid: pid)].descriptors += numbers.map { ($0, inode) }
                if isOneOfMany { questions[pid, default: Question(pid: pid)].isOneOfMany = true }
            }
        }
        work = SharedWork(Array(questions.values), block: block)
        guard questions.count >= least, sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1 else { return }
        // Its first ones are its own, however late it begins.
        let first = work.takeFromStart()
        helper = try? Deferred { [work] in
            var answers: [PipeHolders.Answers] = []
            var next = first
            while let questions = next {
                answers.append(PipeHolders.Answers(questions))
                next = work.takeFromStart()
            }
            return answers
        }
        if helper == nil, let first { unasked = first }
    }

    /// What no thread could be begun for.
    private var unasked: [Question] = []

    /// Looks at those that are left.
    func finish() -> PipeHolders {
        var found = PipeHolders()
        found.add(PipeHolders.Answers(unasked))
        while let questions = work.takeFromEnd() { found.add(PipeHolders.Answers(questions)) }
        for answers in helper?.wait() ?? [] { found.add(answers, isOfOther: true) }
        return found
    }
}

/// What such a look has found.
struct PipeHolders {
    fileprivate struct Answer: Sendable {
        /// The descriptors by which it holds them still.
        var open: [Int32] = []
        var calls: TransferCalls?
    }

    fileprivate struct Answers: Sendable {
        let asked: Int
        var found: [(pid: Int32, answer: Answer)] = []

        init(_ questions: [PipeLook.Question]) {
            asked = questions.count
            for question in questions {
                guard let process = ProcessDirectory(question.pid) else { continue }
                var answer = Answer()
                for (number, inode) in question.descriptors
                where process.statistics(descriptor: number)?.inode == inode { answer.open.append(number) }
                if question.isOneOfMany { answer.calls = process.transferCalls() }
                found.append((question.pid, answer))
            }
        }
    }

    private var answers: [Int32: Answer] = [:]
    /// How many processes another thread has looked at.
    private(set) var readByOther = 0

    fileprivate mutating func add(_ more: Answers, isOfOther: Bool = false) {
        for (pid, answer) in more.found { answers[pid] = answer }
        if isOfOther { readByOther += more.asked }
    }

    /// Those of one of the pipes that hold it still and use it.
    func remaining(_ ends: PipeEnds) -> PipeEnds {
        ends.kept { pid, descriptor in answers[pid]?.open.contains(descriptor) == true }
            .used { answers[$0]?.calls }
    }
}
