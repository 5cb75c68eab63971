/// What two threads that read a list have before them.
///
/// Each has two cells, in turns: it may split the next while the other still looks at the one before. Between
/// two meetings thread `n` writes to its cell of this turn and its `HostNames` (`split`), or to its half of the
/// index and the ends of edges that lie in it (`intern`), and reads what was ready when they met.
final class TwoDesks {
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
                guard let tags = tags.baseAddress else { return }
                let ends = half == 0 ? cell.pointee.lower : cell.pointee.upper
                halves[half].seen = ends.intern(into: &halves[half].index, tags, edges)
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
