/// Order and heights of what stands in a layer.
extension PictureLayout {
    /// Pixels that a cell takes without going on beside itself.
    func compactHeight(_ cell: [Int]) -> Double {
        var height = 0.0
        for (place, item) in cell.enumerated() {
            height += heights[item] + (place > 0 ? gap(cell[place - 1], item) : 0)
        }
        return height
    }

    private func isPiece(_ item: Int) -> Bool { item >= boxes.count }

    /// Lines may be nearer to each other than boxes.
    private func gap(_ one: Int, _ other: Int) -> Double {
        isPiece(one) && isPiece(other) ? 2 : isPiece(one) || isPiece(other) ? Self.rowGap / 2 : Self.rowGap
    }

    /// Whether a cell goes on beside itself.
    private func isFolded(_ cell: [Int]) -> Bool { compactHeight(cell) > mostHeight }

    /// Stacks all cells in their order, and finds how high the bands are.
    mutating func stack() {
        bandHeights = []
        bandTops = []
        var top = Self.frameTitle
        for cells in cells {
            let height = cells.map { isFolded($0) ? folded($0).height : compactHeight($0) }.max() ?? 0
            bandTops.append(top)
            bandHeights.append(height)
            if height > 0 { top += height + 2 * Self.frameMargin + Self.frameTitle + Self.bandGap }
        }
        for band in cells.indices { for layer in cells[band].indices { stack(band, layer) } }
    }

    /// Stacks a cell in its order, in the middle of its band.
    private mutating func stack(_ band: Int, _ layer: Int) {
        let cell = cells[band][layer]
        if isFolded(cell) {
            for (item, place) in zip(cell, folded(cell).places) {
                y[item] = bandTops[band] + place.y
                guard !isPiece(item) else { continue }
                column[item] = place.column
                lanes[item] = (
                    place.arrival.map { bandTops[band] + $0 }, place.leaving.map { bandTops[band] + $0 }
                )
            }
            return
        }
        var next = bandTops[band] + (bandHeights[band] - compactHeight(cell)) / 2
        for (place, item) in cell.enumerated() {
            if place > 0 { next += gap(cell[place - 1], item) }
            y[item] = next
            next += heights[item]
        }
    }

    /// Where something stands in a cell that goes on beside itself.
    private struct FoldedPlace {
        var y: Double
        var column = 0
        /// Where arrows that arrive run above the boxes before it, and those that leave below the boxes behind it.
        var arrival: Double?
        var leaving: Double?
    }

    /// Places of what a cell holds that goes on beside itself: lines at the top, below them boxes in rows, and between the
    /// rows lanes for arrows.
    private func folded(_ cell: [Int]) -> (places: [FoldedPlace], height: Double) {
        let boxes = cell.filter { !isPiece($0) }
        let columns = max(Int((compactHeight(boxes) / mostHeight).rounded(.up)), 2)
        var rows = [Double](repeating: 0, count: (boxes.count + columns - 1) / columns)
        for (place, box) in boxes.enumerated() {
            rows[place / columns] = max(rows[place / columns], heights[box])
        }
        var tops: [Double] = []
        var next = Double(cell.count - boxes.count) * (Self.lineGap + 2) + Self.laneRoom
        for height in rows {
            tops.append(next)
            next += height + 2 * Self.laneRoom
        }
        var places: [FoldedPlace] = []
        var (line, box) = (0, 0)
        for item in cell {
            if isPiece(item) {
                places.append(FoldedPlace(y: Double(line) * (Self.lineGap + 2)))
                line += 1
                continue
            }
            let (row, column) = (box / columns, box % columns)
            let isLast = column == columns - 1 || box == boxes.count - 1
            let offset = 3 + Double(column % 3) * 3
            places.append(
                FoldedPlace(
                    y: tops[row], column: column, arrival: column > 0 ? tops[row] - offset : nil,
                    leaving: isLast ? nil : tops[row] + rows[row] + offset))
            box += 1
        }
        return (places, next - Self.laneRoom)
    }

    private func middle(_ item: Int) -> Double { y[item] + heights[item] / 2 }

    private func mean(_ others: [Int]) -> Double? {
        others.isEmpty ? nil : others.reduce(0) { $0 + middle($1) } / Double(others.count)
    }

    /// Orders each layer by where its neighbours on one side stand.
    mutating func sweep(_ neighbours: [[Int]], inOrder: Bool) {
        let layers = Array(cells.first?.indices ?? 0..<0)
        for layer in inOrder ? layers : layers.reversed() {
            for band in cells.indices where cells[band][layer].count > 1 {
                let wanted = cells[band][layer].enumerated().map { place, item in
                    (item: item, at: mean(neighbours[item]) ?? middle(item), place: place)
                }
                cells[band][layer] = wanted.sorted { ($0.at, $0.place) < ($1.at, $1.place) }.map(\.item)
                stack(band, layer)
            }
        }
    }

    /// Moves what stands in a layer towards its neighbours on one side, in its order and within its band.
    mutating func straighten(_ neighbours: [[Int]], inOrder: Bool) {
        let layers = Array(cells.first?.indices ?? 0..<0)
        for layer in inOrder ? layers : layers.reversed() {
            for band in cells.indices where !isFolded(cells[band][layer]) {
                let cell = cells[band][layer]
                let wanted = cell.map { (mean(neighbours[$0]) ?? middle($0)) - heights[$0] / 2 }
                let (top, bottom) = (bandTops[band], bandTops[band] + bandHeights[band])
                // From above and from below; what lies between two orders that hold is one that holds.
                var down = wanted
                var least = top
                for (place, item) in cell.enumerated() {
                    down[place] = max(down[place], least)
                    let gap = place + 1 < cell.count ? gap(item, cell[place + 1]) : 0
                    least = down[place] + heights[item] + gap
                }
                var up = wanted
                var most = bottom
                for (place, item) in cell.enumerated().reversed() {
                    up[place] = min(up[place], most - heights[item])
                    let gap = place > 0 ? gap(cell[place - 1], item) : 0
                    most = up[place] - gap
                }
                // Neither may leave the band.
                most = bottom
                for (place, item) in cell.enumerated().reversed() {
                    down[place] = min(down[place], most - heights[item])
                    most = down[place] - (place > 0 ? gap(cell[place - 1], item) : 0)
                }
                least = top
                for (place, item) in cell.enumerated() {
                    up[place] = max(up[place], least)
                    least =
                        up[place] + heights[item] + (place + 1 < cell.count ? gap(item, cell[place + 1]) : 0)
                }
                for (place, item) in cell.enumerated() { y[item] = (down[place] + up[place]) / 2 }
            }
        }
    }
}
