import Records
import Text

/// How lively a program of the plan can move at most, and what rules out the rest.
struct ProgramVerdict {
    /// From the least lively.
    enum Way: String {
        case cold
        case handover = "hand-over"
        case live
    }

    var executable: [UInt8]
    var script: [UInt8] = []
    /// How many processes it has.
    var processes: Int
    /// Where it is called: `tcp 111`, and of Sun RPC `udp 536870913.1 0.0.0.0.3.77`.
    var serves: [String]
    private(set) var obstacles: [Obstacle]
    private(set) var omitted: Int
    let way: Way

    /// More are not named.
    static let mostObstacles = 40

    init(
        executable: [UInt8], script: [UInt8], processes: Int, serves: [String], obstacles: [Obstacle]
    ) {
        (self.executable, self.script) = (executable, script)
        (self.processes, self.serves) = (processes, serves)
        let isRuledOut = { (way: Obstacle.Way) in obstacles.contains { $0.rulesOut == way } }
        // What does not run can be started there, and no more.
        way =
            processes == 0
            ? .cold : !isRuledOut(.live) ? .live : !isRuledOut(.handover) ? .handover : .cold
        (self.obstacles, omitted) = Obstacle.folded(obstacles, most: Self.mostObstacles)
    }

    var value: JSONValue {
        .object([
            .init("executable", .string(Printable.text(executable))),
            .init("script", script.isEmpty ? .null : .string(Printable.text(script))),
            .init("processes", .integer(Int128(processes))), .init("verdict", .string(way.rawValue)),
            .init("serves", .array(serves.map { .string($0) })),
            .init("reasons", .array(obstacles.map(\.value))),
            .init("omitted", .integer(Int128(omitted))),
        ])
    }
}
