/// The layers of a picture, from left to right: what depends stands left of what it depends on, as far as there is no
/// circle.
struct PictureLayers {
    /// Layer by box; the leftmost is 0.
    private(set) var layers: [Int]
    /// Whether an arrow leads to the left, since it closes a circle.
    private(set) var isBack: [Bool]
    /// Boxes in the order in which they are met from the start.
    private(set) var order: [Int] = []

    /// Puts boxes into layers.
    ///
    /// - Parameters:
    ///   - count: how many boxes there are.
    ///   - arrows: from and to, numbers of boxes.
    ///   - starts: the boxes to begin with: a circle is drawn as seen from there.
    init(_ count: Int, _ arrows: [(from: Int, to: Int)], starts: [Int]) {
        layers = [Int](repeating: 0, count: count)
        isBack = [Bool](repeating: false, count: arrows.count)
        var leaving = [[Int]](repeating: [], count: count)
        for (number, arrow) in arrows.enumerated() where arrow.from != arrow.to {
            leaving[arrow.from].append(number)
        }
        let ended = walk(leaving, arrows, starts)
        setLayers(ended, leaving, arrows)
    }

    /// Walks in depth, marks the arrows that close circles; boxes in the order in which the walk leaves them.
    private mutating func walk(_ leaving: [[Int]], _ arrows: [(from: Int, to: Int)], _ starts: [Int]) -> [Int]
    {
        enum State { case new, open, done }
        var states = [State](repeating: .new, count: layers.count)
        var ended: [Int] = []
        // No recursion: a chain of programs may be long.
        var way: [(box: Int, next: Int)] = []
        for first in starts + Array(layers.indices) where states[first] == .new {
            way.append((first, 0))
            states[first] = .open
            order.append(first)
            while let (box, next) = way.last {
                guard next < leaving[box].count else {
                    states[box] = .done
                    ended.append(box)
                    way.removeLast()
                    continue
                }
                way[way.count - 1].next += 1
                let arrow = leaving[box][next]
                let other = arrows[arrow].to
                switch states[other] {
                case .open: isBack[arrow] = true
                case .done: break
                case .new:
                    states[other] = .open
                    order.append(other)
                    way.append((other, 0))
                }
            }
        }
        return ended
    }

    /// As far left as what leads to it allows; what nothing leads to stands just before what it leads to.
    private mutating func setLayers(
        _ ended: [Int], _ leaving: [[Int]], _ arrows: [(from: Int, to: Int)]
    ) {
        var hasArrival = [Bool](repeating: false, count: layers.count)
        func ends(_ number: Int) -> (left: Int, right: Int) {
            let arrow = arrows[number]
            return isBack[number] ? (arrow.to, arrow.from) : (arrow.from, arrow.to)
        }
        var onward = [[Int]](repeating: [], count: layers.count)
        for number in leaving.joined() {
            let (left, right) = ends(number)
            onward[left].append(right)
            hasArrival[right] = true
        }
        for box in ended.reversed() {
            for other in onward[box] { layers[other] = max(layers[other], layers[box] + 1) }
        }
        for box in layers.indices where !hasArrival[box] {
            if let nearest = onward[box].map({ layers[$0] }).min() { layers[box] = nearest - 1 }
        }
        let least = layers.min() ?? 0
        for box in layers.indices { layers[box] -= least }
    }
}
