/// Places of layers, and the ways of arrows between them.
extension PictureLayout {
    /// Gives layers their places from left to right, boxes theirs, and draws frames around hosts.
    mutating func place() {
        let count = cells.first?.count ?? 0
        var widest = [Double](repeating: 0, count: count)
        var columns = [Int](repeating: 1, count: count)
        for box in boxes.indices {
            widest[layer[box]] = max(widest[layer[box]], boxes[box].width)
            columns[layer[box]] = max(columns[layer[box]], column[box] + 1)
        }
        // Words stand where an arrow ends: before a layer, or behind it where the arrow leads back.
        var before = [Double](repeating: 0, count: count)
        var behind = before
        var steps = before
        for (number, arrow) in picture.arrows.enumerated() where isLabelled[number] {
            let place = layer[arrow.to]
            let width = labelWidths[number] + Self.labelMargin
            if isBack(number) {
                behind[place] = max(behind[place], width)
            } else {
                before[place] = max(before[place], width)
            }
        }
        // The more lines there are between two layers, the wider apart they are.
        var crossings = [Int](repeating: 0, count: count)
        for item in layer.indices { crossings[layer[item]] += right[item].count }
        var next = Self.frameMargin
        for place in 0..<count {
            next += place > 0 ? before[place] : 0
            // Words of what stands beside others stand between them.
            steps[place] = widest[place] + Self.besideGap + before[place]
            let width = Double(columns[place] - 1) * steps[place] + widest[place]
            spans.append(next...next + width)
            next += width + behind[place] + Self.layerGap + min(Double(crossings[place]) / 2, Self.mostRoom)
        }
        for box in boxes.indices {
            boxes[box].x = spans[layer[box]].lowerBound + Double(column[box]) * steps[layer[box]]
            boxes[box].y = y[box]
        }
        frames = picture.clusters.enumerated().map { number, cluster in
            frame(Array(cluster), band: bandOfCluster[number])
        }
        let others = boxes.indices.filter { band[$0] == picture.clusters.count }
        if !others.isEmpty { outside = frame(others, band: picture.clusters.count) }
        let all = frames + [outside].compactMap { $0 }
        width = max(all.map(\.right).max() ?? 0, (spans.last?.upperBound ?? 0) + (behind.last ?? 0))
        height = all.map { $0.y + $0.height }.max() ?? 0
    }

    private func frame(_ inside: [Int], band: Int) -> Rectangle {
        let x = (inside.map { boxes[$0].x }.min() ?? 0) - Self.frameMargin
        let right = (inside.map { boxes[$0].right }.max() ?? 0) + Self.frameMargin
        return Rectangle(
            x: x, y: bandTops[band] - Self.frameTitle, width: right - x,
            height: bandHeights[band] + Self.frameTitle + Self.frameMargin)
    }

    /// Finds the way of every arrow.
    mutating func makeRoutes() {
        let ports = Ports(self)
        routes = picture.arrows.indices.map { route($0, ports) }
    }

    private func route(_ number: Int, _ ports: Ports) -> Route {
        let arrow = picture.arrows[number]
        let words = isLabelled[number] ? labelWidths[number] + Self.labelMargin / 2 : 0
        var route = Route()
        if arrow.from == arrow.to {
            let box = boxes[arrow.from]
            let (upper, lower) = (box.y + box.height * 0.25, box.y + box.height * 0.75)
            route.isLoop = true
            for y in [upper, lower] {
                let point = Point(x: box.right, y: y)
                route.pieces.append((point, point))
            }
            if isLabelled[number] { route.label = Point(x: box.right + 24, y: box.middle) }
            return route
        }
        let (from, to) = ends(number)
        let isBack = isBack(number)
        let (begin, end) = (ports.right[number], ports.left[number])
        // Out of its own layer and into the other one straight, past what is wider, or by the lanes past what is beside.
        let start = Point(x: boxes[from].right, y: begin)
        if let lane = lanes[from].leaving {
            route.pieces.append((start, start))
            route.pieces.append(
                (Point(x: start.x + 24, y: lane), Point(x: spans[layer[from]].upperBound, y: lane)))
        } else {
            let x = max(spans[layer[from]].upperBound, start.x + (isBack ? words : 0))
            route.pieces.append((start, Point(x: x, y: begin)))
        }
        for piece in trunks[number] {
            let span = spans[layer[piece]]
            let y = y[piece] + heights[piece] / 2
            route.pieces.append((Point(x: span.lowerBound - 6, y: y), Point(x: span.upperBound + 6, y: y)))
        }
        var last = spans[layer[to]].lowerBound - (isBack ? 0 : words) - 8
        if let lane = lanes[to].arrival {
            last = boxes[to].x - (isBack ? 0 : words) - 8
            route.pieces.append(
                (Point(x: spans[layer[to]].lowerBound - 8, y: lane), Point(x: last - 26, y: lane)))
        }
        route.pieces.append((Point(x: last, y: end), Point(x: boxes[to].x, y: end)))
        if isBack { route.pieces = route.pieces.reversed().map { ($0.1, $0.0) } }
        if isLabelled[number] {
            route.label = isBack ? Point(x: boxes[from].right + 10, y: begin) : Point(x: last + 2, y: end)
        }
        return route
    }

    /// Where arrows begin and end at the sides of boxes, in the order of where they come from and go to.
    private struct Ports {
        /// By arrow: the height at the right side of its left box, and at the left side of its right box.
        var right: [Double]
        var left: [Double]

        init(_ layout: PictureLayout) {
            let arrows = layout.picture.arrows
            right = [Double](repeating: 0, count: arrows.count)
            left = right
            /// At a side of a box: what the arrows there lead to, which of them share a place, and how much room they take.
            var sides = [[Int: (next: Double, room: Double, arrows: [Int])]](
                repeating: [:], count: 2 * layout.boxes.count)
            for number in arrows.indices where arrows[number].from != arrows[number].to {
                let (from, to) = layout.ends(number)
                let trunk = layout.trunks[number]
                let room = layout.isLabelled[number] ? PictureLayout.labelHeight : PictureLayout.lineGap
                let isBack = layout.isBack(number)
                // Arrows with a trunk leave as one.
                let key = trunk.first.map { -$0 } ?? number
                let next = layout.y[trunk.first ?? to] + layout.heights[trunk.first ?? to] / 2
                sides[2 * from][key, default: (next, 0, [])].room += isBack ? room : PictureLayout.lineGap
                sides[2 * from][key]?.arrows.append(number)
                let before = layout.y[trunk.last ?? from] + layout.heights[trunk.last ?? from] / 2
                sides[2 * to + 1][number] = (before, isBack ? PictureLayout.lineGap : room, [number])
            }
            for box in layout.boxes.indices {
                for side in 0...1 {
                    let all = sides[2 * box + side].sorted {
                        ($0.value.next, $0.key) < ($1.value.next, $1.key)
                    }
                    let total = all.reduce(0) { $0 + $1.value.room }
                    var taken = 0.0
                    for (_, place) in all {
                        let rectangle = layout.boxes[box]
                        let y = rectangle.y + rectangle.height * (taken + place.room / 2) / total
                        for arrow in place.arrows {
                            if side == 0 { right[arrow] = y } else { left[arrow] = y }
                        }
                        taken += place.room
                    }
                }
            }
        }
    }
}
