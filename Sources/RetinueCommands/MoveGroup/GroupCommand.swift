import ArgumentParser
import MoveGroup
import Records

struct GroupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Show everything that has to move with a program.")

    @Argument var program: String
    @Option(parsing: .upToNextOption) var from: [String]
    @Flag var symmetric = false
    @Flag var lenient = false

    func run() throws {
        var builder = GraphBuilder()
        try GraphInputs(paths: from, isLenient: lenient).read(into: &builder)
        Timing.mark("read")
        let graph = builder.finish(SocketPairing(isPermissive: symmetric))
        Timing.mark("graph")
        guard case .found(let start) = graph.select(NodePattern(program)) else { throw Failure("?") }
        Timing.mark("select")
        var options = ClosureOptions()
        options.isSymmetric = symmetric
        let group = graph.moveGroup(of: start, options)
        Timing.mark("closure")
        print(group.members.count, graph.nodeCount, graph.edgeCount, graph.footprint)
    }
}
import Glibc
enum Timing {
    nonisolated(unsafe) static var last: UInt64 = 0
    static func mark(_ n: String) {
        var t = timespec(); clock_gettime(CLOCK_MONOTONIC, &t)
        let now = UInt64(t.tv_sec) * 1_000_000 + UInt64(t.tv_nsec) / 1000
        if last != 0 { Diagnostics.write("\(n) \(now - last) us\n") } else { Diagnostics.write(n + "\n") }
        last = now
    }
}
