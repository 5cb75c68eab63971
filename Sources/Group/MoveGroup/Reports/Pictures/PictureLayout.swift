/// What a layout has to know of a picture: which boxes are joined, and which of them lie together.
package struct PictureOutline {
    /// From the box that depends; those to what stays behind are led apart from others.
    package var arrows: [(from: Int, to: Int, isDim: Bool)]
    /// The boxes of each host; what is in none of them lies outside.
    package var clusters: [Range<Int>]

    /// Arrows between boxes by their numbers, which belong to hosts.
    package init(arrows: [(from: Int, to: Int, isDim: Bool)], clusters: [Range<Int>]) {
        self.arrows = arrows
        self.clusters = clusters
    }

    init(_ picture: Picture) {
        self.init(
            arrows: picture.arrows.map { ($0.from, $0.to, $0.isDim) },
            clusters: picture.clusters.map(\.boxes))
    }
}

/// Where everything of a picture stands: boxes in layers from left to right, each host a band across them.
///
/// Layers, then order within them by the mean of the neighbours, then heights (Sugiyama, Tagawa, Toda, "Methods for Visual
/// Understanding of Hierarchical System Structures", 1981). Arrows that leave a box for further layers share one line until
/// the layer before their end (a trunk), which keeps boxes out of the way of arrows; time and space grow with
/// boxes and arrows, times layers. The same picture gives the same layout.
package struct PictureLayout {
    package struct Point: Equatable {
        package var x: Double
        package var y: Double

        package init(x: Double, y: Double) {
            self.x = x
            self.y = y
        }
    }

    package struct Rectangle: Equatable {
        package var x = 0.0
        package var y = 0.0
        package var width = 0.0
        package var height = 0.0
        package var right: Double { x + width }
        package var middle: Double { y + height / 2 }

        package init(x: Double = 0, y: Double = 0, width: Double = 0, height: Double = 0) {
            (self.x, self.y, self.width, self.height) = (x, y, width, height)
        }
    }

    /// The way of an arrow, from where it begins to its head.
    package struct Route {
        /// Straight pieces, curves between the end of one and the beginning of the next.
        package var pieces: [(Point, Point)] = []
        /// Where its words begin; `nil` where they would be too many.
        package var label: Point?
        /// Whether it leads from a box to itself.
        package var isLoop = false
    }

    /// By box.
    package var boxes: [Rectangle]
    /// By arrow.
    package var routes: [Route] = []
    /// The hosts, by cluster.
    package var frames: [Rectangle] = []
    /// What stands in no cluster, if anything does.
    package var outside: Rectangle?
    package var width = 0.0
    package var height = 0.0

    /// A layer of a band that is higher than this goes on beside itself; the highest becomes about as wide as high.
    var mostHeight = 1000.0
    /// What a column of it takes, about.
    static let columnWidth = 250.0
    static let rowGap = 12.0
    static let lineGap = 5.0
    static let bandGap = 22.0
    static let frameMargin = 14.0
    static let frameTitle = 22.0
    /// Between two layers, besides words.
    static let layerGap = 60.0
    /// Further room there for many lines, at most.
    static let mostRoom = 200.0
    static let besideGap = 60.0
    /// Between two rows that go on beside themselves, twice.
    static let laneRoom = 12.0
    /// Arrows at a side of a box that each have their words; where there are more, none has.
    static let mostLabels = 12
    static let labelHeight = 21.0
    /// Layers that an arrow is led through.
    static let longestTrunk = 60
    /// Beside the words of an arrow.
    static let labelMargin = 20.0

    let picture: PictureOutline
    let labelWidths: [Double]
    let layers: PictureLayers
    /// Boxes, then the pieces of trunks: layer, band and height of each.
    var layer: [Int]
    var band: [Int]
    var heights: [Double]
    var y: [Double]
    /// Of each arrow the pieces of its trunk, from left to right.
    var trunks: [[Int]]
    /// What each box and piece is joined to in the layers before and behind.
    var left: [[Int]]
    var right: [[Int]]
    /// Whether the words of an arrow are written.
    var isLabelled: [Bool] = []
    /// By band and layer.
    var cells: [[[Int]]] = []
    var bandOfCluster: [Int] = []
    var bandTops: [Double] = []
    var bandHeights: [Double] = []
    /// From where to where each layer goes.
    var spans: [ClosedRange<Double>] = []
    /// Of a box in a layer that goes on beside itself: in which column.
    var column: [Int]
    /// Likewise: where arrows to it and from it pass the others.
    var lanes: [(arrival: Double?, leaving: Double?)]

    /// Lays out a picture.
    ///
    /// - Parameters:
    ///   - sizes: width and height of each box, pixels.
    ///   - labelWidths: of each arrow; 0 where nothing is to be written.
    ///   - starts: the boxes with which the group begins.
    package init(
        _ picture: PictureOutline, sizes: [(width: Double, height: Double)], labelWidths: [Double],
        starts: [Int]
    ) {
        self.picture = picture
        self.labelWidths = labelWidths
        let ends = picture.arrows.map { ($0.from, $0.to) }
        layers = PictureLayers(sizes.count, ends, starts: starts)
        layer = layers.layers
        boxes = sizes.map { Rectangle(width: $0.width, height: $0.height) }
        band = [Int](repeating: picture.clusters.count, count: sizes.count)
        column = [Int](repeating: 0, count: sizes.count)
        lanes = [(arrival: Double?, leaving: Double?)](repeating: (nil, nil), count: sizes.count)
        heights = sizes.map(\.height)
        y = []
        trunks = [[Int]](repeating: [], count: ends.count)
        left = [[Int]](repeating: [], count: sizes.count)
        right = left
        setBands()
        placeLoose()
        makeRoom()
        makeTrunks()
        y = [Double](repeating: 0, count: layer.count)
        fillCells()
        let highest = cells.joined().map { compactHeight($0) }.max() ?? 0
        mostHeight = max(mostHeight, (highest * Self.columnWidth).squareRoot())
        stack()
        for _ in 0..<6 {
            sweep(left, inOrder: true)
            sweep(right, inOrder: false)
        }
        // How high rows are is known with their order.
        stack()
        for _ in 0..<6 {
            straighten(left, inOrder: true)
            straighten(right, inOrder: false)
        }
        place()
        makeRoutes()
    }

    /// Whether an arrow leads to the left.
    func isBack(_ arrow: Int) -> Bool { layers.isBack[arrow] }

    /// Left and right end of an arrow.
    func ends(_ arrow: Int) -> (left: Int, right: Int) {
        let ends = (picture.arrows[arrow].from, picture.arrows[arrow].to)
        return layers.isBack[arrow] ? (ends.1, ends.0) : ends
    }

    /// The host where the group begins stands first, then hosts as they are met from there; last what is outside.
    private mutating func setBands() {
        var cluster = [Int?](repeating: nil, count: boxes.count)
        for (number, one) in picture.clusters.enumerated() {
            for box in one { cluster[box] = number }
        }
        var bands = [Int?](repeating: nil, count: picture.clusters.count)
        var next = 0
        for box in layers.order {
            guard let number = cluster[box], bands[number] == nil else { continue }
            bands[number] = next
            next += 1
        }
        for box in boxes.indices { band[box] = cluster[box].flatMap { bands[$0] } ?? picture.clusters.count }
        bandOfCluster = bands.map { $0 ?? 0 }
    }

    /// What no arrow leads to or from stands at the left of its host.
    private mutating func placeLoose() {
        var isJoined = [Bool](repeating: false, count: boxes.count)
        var leftmost = [Int](repeating: .max, count: picture.clusters.count + 1)
        for arrow in picture.arrows where arrow.from != arrow.to {
            for box in [arrow.from, arrow.to] {
                isJoined[box] = true
                leftmost[band[box]] = min(leftmost[band[box]], layer[box])
            }
        }
        for box in boxes.indices where !isJoined[box] && leftmost[band[box]] < .max {
            layer[box] = leftmost[band[box]]
        }
    }

    /// Makes boxes high enough for the words of what arrives at them.
    private mutating func makeRoom() {
        var labels = [Int](repeating: 0, count: boxes.count)
        var others = labels
        for (number, arrow) in picture.arrows.enumerated() {
            if labelWidths[number] > 0 { labels[arrow.to] += 1 } else { others[arrow.to] += 1 }
        }
        for box in boxes.indices where labels[box] > 0 && labels[box] <= Self.mostLabels {
            let room = Double(labels[box]) * Self.labelHeight + min(Double(others[box]) * Self.lineGap, 60)
            heights[box] = max(heights[box], room)
            boxes[box].height = heights[box]
        }
        isLabelled = picture.arrows.indices.map {
            labelWidths[$0] > 0 && labels[picture.arrows[$0].to] <= Self.mostLabels
        }
    }

    /// Joins the ends of arrows, by lines through the layers between them.
    private mutating func makeTrunks() {
        struct Key: Hashable {
            let box: Int
            let isBack: Bool
            let isDim: Bool
        }
        var known: [Key: [Int]] = [:]
        var joined: Set<[Int]> = []
        func join(_ one: Int, _ other: Int) {
            guard joined.insert([one, other]).inserted else { return }
            right[one].append(other)
            left[other].append(one)
        }
        for number in picture.arrows.indices {
            let (from, to) = ends(number)
            guard from != to else { continue }
            let key = Key(box: from, isBack: layers.isBack[number], isDim: picture.arrows[number].isDim)
            var trunk = known[key] ?? []
            // One that crosses very many is drawn across them.
            let distance = layer[to] - layer[from] - 1
            let length = distance > Self.longestTrunk ? 0 : distance
            while trunk.count < length {
                let piece = layer.count
                layer.append(layer[from] + trunk.count + 1)
                band.append(band[from])
                heights.append(Self.lineGap)
                left.append([])
                right.append([])
                join(trunk.last ?? from, piece)
                trunk.append(piece)
            }
            known[key] = trunk
            trunks[number] = Array(trunk.prefix(length))
            join(length > 0 ? trunk[length - 1] : from, to)
        }
    }

    private mutating func fillCells() {
        let count = (layer.max() ?? 0) + 1
        cells = [[[Int]]](
            repeating: [[Int]](repeating: [], count: count), count: picture.clusters.count + 1)
        for box in layers.order { cells[band[box]][layer[box]].append(box) }
        for piece in boxes.count..<layer.count { cells[band[piece]][layer[piece]].append(piece) }
    }
}
