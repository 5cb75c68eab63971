import Glibc

extension ListReader {
    /// Takes a list in a file, of which some was fed, on two threads, as far as that helps.
    ///
    /// The graph that comes out, and the error, are those of feeding the file piece by piece; only the numbers
    /// of nodes differ, which never depend on how fast either thread is.
    ///
    /// - Parameters:
    ///   - descriptor: of a regular file; its position is neither used nor changed.
    ///   - position: how many bytes of the file were fed.
    ///   - size: of the file.
    ///   - progress: is called now and then with how many bytes have been taken.
    /// - Returns: how many bytes of the file were taken; the rest is to be fed.
    public mutating func takeAhead(
        _ descriptor: Int32, position: Int, size: Int, into builder: inout GraphBuilder,
        progress: (Int) -> Void = { _ in }
    ) throws(ListError) -> Int {
        guard isFourColumns, size - position >= 4 * ListCell.size, ThreadPair.isWorthwhile
        else { return position }
        return try takeOnTwoThreads(descriptor, from: position, to: size, &builder, progress)
    }

    /// The same, however short the list is.
    mutating func takeOnTwoThreads(
        _ descriptor: Int32, from origin: Int, to size: Int, _ builder: inout GraphBuilder,
        _ progress: (Int) -> Void = { _ in }
    ) throws(ListError) -> Int {
        guard origin > 0, lineLimit > ListCell.size + ListCell.slack else { return origin }
        let work = TwoThreads(builder.nodes.textHash)
        let firstRow = builder.edges.count
        var position = origin
        var failure: ListError?
        builder.nodes.beginHalves()
        _ = ThreadPair.run { half, pair in
            var cell = origin + half * ListCell.size
            var turn = 0
            while true {
                work.split(half, turn, descriptor, at: cell)
                pair.meet()
                if half == 0 {
                    // The other thread waits: it was given nothing that this changes.
                    do throws(ListError) {
                        work.takeBack(&builder)
                        try settle(work, turn, cell, &position, &builder)
                        progress(position)
                        work.isDone = position < cell + 2 * ListCell.size || position >= size
                    } catch {
                        failure = error
                        work.isDone = true
                    }
                }
                pair.meet()
                work.intern(half, turn)
                if work.isDone { break }
                cell += 2 * ListCell.size
                turn = 1 - turn
            }
        }
        work.takeBack(&builder)
        let shift = builder.nodes.endHalves()
        builder.edges.renumber(from: firstRow, late: shift)
        if let failure { throw failure }
        return position
    }

    /// Takes in two cells, either for both threads to go on with, or, where it has to be, the plain way.
    private mutating func settle(
        _ work: TwoThreads, _ turn: Int, _ start: Int, _ position: inout Int, _ builder: inout GraphBuilder
    ) throws(ListError) {
        let firstRow = builder.edges.count
        var begins: (Int?, Int?) = (nil, nil)
        // After an error, too: the first cell's edges want their ends.
        defer { work.prepare(turn, begins, firstRow, &builder) }
        for half in 0..<2 {
            let cell = work.cell(half, turn)
            let border = start + (half + 1) * ListCell.size
            // Completes a row that began before.
            if cell.pointee.isPlain, position < cell.pointee.begin {
                try feed(cell.pointee, &position, to: cell.pointee.begin, &builder)
            }
            if cell.pointee.isPlain, position == cell.pointee.begin, isBetweenRows {
                let row = builder.edges.count - firstRow
                if half == 0 { begins.0 = row } else { begins.1 = row }
                work.settleNames(half, &builder)
                builder.edges.extend(by: cell.pointee.rows, EdgeMark(.listed))
                count(cell.pointee.rows)
                position = cell.pointee.end
            } else {
                work.forgetNames(half)
                try feed(cell.pointee, &position, to: border, &builder)
            }
        }
    }

    private mutating func feed(
        _ cell: borrowing ListCell, _ position: inout Int, to end: Int, _ builder: inout GraphBuilder
    ) throws(ListError) {
        let last = min(end, cell.offset + cell.bytes.count)
        guard position >= cell.offset, position < last else { return }
        let piece = cell.bytes[position - cell.offset..<last - cell.offset]
        position = last
        try feed(UnsafeRawBufferPointer(rebasing: piece), into: &builder)
    }
}

/// What two threads that read a list have before them.
///
/// Each has two cells, in turns: it may split the next while the other still looks at the one before. Between
/// two meetings thread `n` writes to its cell of this turn and its `HostNames` (`split`), or to its half of the
/// index and the ends of edges that lie in it (`intern`), and reads what was ready when they met.
final class TwoThreads {
    private let cells: UnsafeMutablePointer<ListCell>
    private let names: UnsafeMutablePointer<HostNames>
    private let halves: UnsafeMutablePointer<Half>
    private let hash: TextHash
    /// Whether this turn is the last.
    var isDone = false

    /// A thread's half of the index, and where the ends of the edges of both cells go.
    private struct Half {
        var index: NodeHalf
        var edges: (EdgeTable.Ends?, EdgeTable.Ends?)
        var seen: UInt64 = 0
    }

    private var isOut = false

    init(_ hash: TextHash) {
        self.hash = hash
        cells = .allocate(capacity: 4)
        names = .allocate(capacity: 2)
        halves = .allocate(capacity: 2)
        for cell in 0..<4 { (cells + cell).initialize(to: ListCell()) }
        for half in 0..<2 { (names + half).initialize(to: HostNames()) }
    }

    deinit {
        cells.deinitialize(count: 4)
        names.deinitialize(count: 2)
        cells.deallocate()
        names.deallocate()
        halves.deallocate()
    }

    func cell(_ half: Int, _ turn: Int) -> UnsafeMutablePointer<ListCell> { cells + (turn * 2 + half) }

    /// First part of a turn, of both threads: nothing outside changes.
    func split(_ half: Int, _ turn: Int, _ descriptor: Int32, at offset: Int) {
        cell(half, turn).pointee.fill(descriptor, at: offset, hash, &names[half])
    }

    /// Second part, while one thread waits: gives the hosts of a cell their numbers.
    func settleNames(_ half: Int, _ builder: inout GraphBuilder) { names[half].settle(&builder) }

    /// Lets go of what a cell that is fed seemed to name; in quotes it may have been no host at all.
    func forgetNames(_ half: Int) {
        if names[half].hasUnsettled { names[half] = HostNames() }
    }

    /// Then hands out the halves of the index.
    ///
    /// - Parameter begins: for each cell the row at which it begins, unless it was fed.
    func prepare(_ turn: Int, _ begins: (Int?, Int?), _ firstRow: Int, _ builder: inout GraphBuilder) {
        var lower = NodeTable.Need()
        var upper = NodeTable.Need()
        for half in 0..<2 where (half == 0 ? begins.0 : begins.1) != nil {
            lower.add(cell(half, turn).pointee.lower.need)
            upper.add(cell(half, turn).pointee.upper.need)
        }
        let index = builder.nodes.halves(lower, upper)
        let edges = (
            begins.0.flatMap { builder.edges.ends(from: firstRow + $0) },
            begins.1.flatMap { builder.edges.ends(from: firstRow + $0) }
        )
        halves.initialize(to: Half(index: index.lower, edges: edges))
        (halves + 1).initialize(to: Half(index: index.upper, edges: edges))
        isOut = true
    }

    /// Third part, of both threads.
    func intern(_ half: Int, _ turn: Int) {
        guard isOut else { return }
        // Each begins with its own cell, so that they seldom write to edges side by side.
        for number in [half, 1 - half] {
            guard let edges = number == 0 ? halves[half].edges.0 : halves[half].edges.1 else { continue }
            let cell = cell(number, turn)
            names[number].tags.withElements { tags in
                guard let tags = tags.baseAddress, let text = cell.pointee.bytes.baseAddress else { return }
                let ends = half == 0 ? cell.pointee.lower : cell.pointee.upper
                halves[half].seen = ends.intern(of: text, into: &halves[half].index, tags, edges)
            }
        }
    }

    /// Takes back the halves that were handed out.
    func takeBack(_ builder: inout GraphBuilder) {
        guard isOut else { return }
        builder.nodes.take(halves[0].index, halves[1].index)
        isOut = false
    }
}

/// Runs one body on two threads, for work so large that starting a thread does not show.
///
/// The body knows its two halves by a number and must keep them apart by itself: what one thread writes the
/// other neither reads nor writes before the next `meet`, or before `run` returns, which waits for both.
/// That is why it is safe to hand over a body that Swift cannot check.
final class ThreadPair {
    private let barrier: UnsafeMutablePointer<pthread_barrier_t>
    /// Whether it is the turn of either.
    private let turns: UnsafeMutablePointer<sem_t>

    /// Whether there is a second processor for the second thread.
    static let isWorthwhile = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1

    private init() {
        barrier = .allocate(capacity: 1)
        precondition(pthread_barrier_init(barrier, nil, 2) == 0)
        turns = .allocate(capacity: 2)
        for half in 0..<2 { precondition(sem_init(turns + half, 0, half == 0 ? 1 : 0) == 0) }
    }

    deinit {
        pthread_barrier_destroy(barrier)
        barrier.deallocate()
        for half in 0..<2 { sem_destroy(turns + half) }
        turns.deallocate()
    }

    /// Waits for the other thread; what either wrote before, both see after. Both must meet equally often.
    func meet() { pthread_barrier_wait(barrier) }

    /// Waits for this thread's turn, and gives the other one its turn behind `body`; the first is that of 0. What either
    /// wrote in a turn, the other sees in its next.
    func inTurn<Result>(_ half: Int, _ body: () -> Result) -> Result {
        while sem_wait(turns + half) != 0 {}
        defer { sem_post(turns + (1 - half)) }
        return body()
    }

    /// Runs a body as 0 on this thread and as 1 on another; if there is no other, says so, having done nothing.
    static func run(_ body: (_ half: Int, _ pair: ThreadPair) -> Void) -> Bool {
        withoutActuallyEscaping(body) { body in
            let pair = ThreadPair()
            let work = Unmanaged.passRetained(Work { body(1, pair) })
            var thread = pthread_t()
            let result = pthread_create(&thread, nil, { Work.perform($0) }, work.toOpaque())
            guard result == 0 else {
                work.release()
                return false
            }
            body(0, pair)
            pthread_join(thread, nil)
            return true
        }
    }

    /// Runs a body for both halves of some work, on two threads where that helps, one after the other where not; for
    /// halves that never meet.
    ///
    /// - Parameter isLarge: whether there is so much to do that starting a thread does not show.
    static func forBoth(isLarge: Bool, _ body: (_ half: Int) -> Void) {
        if isLarge, isWorthwhile, run({ half, _ in body(half) }) { return }
        for half in 0..<2 { body(half) }
    }

    /// The second thread's part; that thread lets go of it.
    private final class Work {
        let body: () -> Void

        init(_ body: @escaping () -> Void) { self.body = body }

        static func perform(_ work: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
            guard let work else { return nil }
            Unmanaged<Work>.fromOpaque(work).takeRetainedValue().body()
            return nil
        }
    }
}
