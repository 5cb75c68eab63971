import Procfs
import Text

/// One process of the group, and which tree and program it belongs to.
struct SurveyedProcess {
    var pid: Int32
    /// The process at the top of its tree: what is brought over alive at once.
    var tree: Int32
    /// Which program of the plan.
    var program: Int
    /// What it has open; empty if it has ended meanwhile.
    var descriptors: [SurveyedDescriptor] = []
    /// Files and shared memory that it has mapped.
    var areas: [MemoryArea] = []

    /// The members and everything that they have started, which is brought over with them.
    ///
    /// - Parameter parents: the parent of each process of this host.
    static func all(of members: [Members.Process], parents: [Int32: Int32]) -> [SurveyedProcess] {
        var programs = Dictionary(members.map { ($0.pid, $0.program) }) { first, _ in first }
        var children: [Int32: [Int32]] = [:]
        for (pid, parent) in parents { children[parent, default: []].append(pid) }
        var found: [SurveyedProcess] = []
        let tops = members.filter { programs[$0.parent] == nil }.sorted { $0.pid < $1.pid }
        var seen: Set<Int32> = []
        for top in tops {
            var rest = [top.pid]
            while let pid = rest.popLast() {
                guard seen.insert(pid).inserted, let program = programs[pid] else { continue }
                found.append(SurveyedProcess(pid: pid, tree: top.pid, program: program))
                for child in (children[pid] ?? []).sorted(by: >) {
                    // What is no program of the plan belongs to whoever has started it.
                    if programs[child] == nil { programs[child] = program }
                    rest.append(child)
                }
            }
        }
        return found
    }

    /// Reads what it has open and mapped.
    mutating func read(_ directory: borrowing ProcessDirectory) {
        var found: [SurveyedDescriptor] = []
        directory.descriptors { found.append(SurveyedDescriptor(number: $0, target: $1)) }
        descriptors = found.sorted { $0.number < $1.number }
        areas = directory.memoryAreas()
    }
}

/// An open descriptor: its number, and what its link under /proc reports.
struct SurveyedDescriptor: Equatable {
    var number: Int32
    var target: [UInt8]

    var kind: DescriptorKind { DescriptorKind(target) }
}
