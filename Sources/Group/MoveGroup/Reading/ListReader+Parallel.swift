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
    ///   - progress: is told now and then how many bytes have been taken.
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
        let desk = TwoDesks(builder.nodes.textHash)
        let firstRow = builder.edges.count
        var position = origin
        var failure: ListError?
        builder.nodes.beginHalves()
        _ = ThreadPair.run { half, pair in
            var cell = origin + half * ListCell.size
            var turn = 0
            while true {
                desk.split(half, turn, descriptor, at: cell)
                pair.meet()
                if half == 0 {
                    // The other thread waits: it was given nothing that this changes.
                    do throws(ListError) {
                        desk.takeBack(&builder)
                        try settle(desk, turn, cell, &position, &builder)
                        progress(position)
                        desk.isDone = position < cell + 2 * ListCell.size || position >= size
                    } catch {
                        failure = error
                        desk.isDone = true
                    }
                }
                pair.meet()
                desk.intern(half, turn)
                if desk.isDone { break }
                cell += 2 * ListCell.size
                turn = 1 - turn
            }
        }
        desk.takeBack(&builder)
        let shift = builder.nodes.endHalves()
        builder.edges.renumber(from: firstRow, late: shift)
        if let failure { throw failure }
        return position
    }

    /// Takes in two cells, either for both threads to go on with, or, where it has to be, the plain way.
    private mutating func settle(
        _ desk: TwoDesks, _ turn: Int, _ start: Int, _ position: inout Int, _ builder: inout GraphBuilder
    ) throws(ListError) {
        let firstRow = builder.edges.count
        var begins: (Int?, Int?) = (nil, nil)
        // After an error, too: the first cell's edges want their ends.
        defer { desk.prepare(turn, begins, firstRow, &builder) }
        for half in 0..<2 {
            let cell = desk.cell(half, turn)
            let border = start + (half + 1) * ListCell.size
            // Completes a row that began before.
            if cell.pointee.isPlain, position < cell.pointee.begin {
                try feed(cell.pointee, &position, to: cell.pointee.begin, &builder)
            }
            if cell.pointee.isPlain, position == cell.pointee.begin, isBetweenRows {
                let row = builder.edges.count - firstRow
                if half == 0 { begins.0 = row } else { begins.1 = row }
                desk.settleNames(half, &builder)
                builder.edges.extend(by: cell.pointee.rows, EdgeMark(.listed))
                count(cell.pointee.rows)
                position = cell.pointee.end
            } else {
                desk.forgetNames(half)
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
