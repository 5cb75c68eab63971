import MoveGroup
import Records

/// A transfer plan as text.
struct TransferText {
    private let plan: TransferPlan
    private let graph: DependencyGraph
    private let items: [TransferPlan.Item]

    /// - Parameters:
    ///   - phase: only this one.
    ///   - hosts: only files of these, by their numbers.
    init(_ plan: TransferPlan, _ graph: DependencyGraph, _ phase: TransferPlan.Phase?, hosts: [Int]? = nil) {
        self.plan = plan
        self.graph = graph
        items = plan.items.filter { item in
            (phase == nil || item.phase == phase)
                && hosts?.contains(Int(graph.host(item.node).rawValue)) != false
        }
    }

    /// Paths alone do not say whose they are.
    func checkOneHost() throws(Failure) {
        let hosts = Set(items.map { graph.host($0.node) })
        guard hosts.count > 1 else { return }
        throw Failure(
            "paths0 is of one host, and the files are on several: name one by --host",
            details: hosts.map { graph[$0].title.printable }.sorted(), status: ExitStatus.badInput)
    }

    /// What is a member and may be a file, but is not in the plan.
    func remarks(on group: MoveGroup) -> [String] {
        let entries = group.members.count { graph.kind($0) == .entry }
        return entries == 0
            ? []
            : [
                "not in the plan, since lists do not tell programs from files: "
                    + Quantity.counted(entries, "member")
            ]
    }

    /// For people.
    func table(width: Int) -> String {
        var table = TextTable([
            .init(title: "PHASE"), .init(title: "SIZE", isNumber: true), .init(title: "LAST WRITE"),
            .init(title: "AGAIN", isNumber: true), .init(title: "HOST"), .init(title: "FILE", cut: .start),
        ])
        for item in items {
            table.add([
                item.phase.rawValue, item.bytes.map { Quantity.bytes($0) } ?? "?",
                item.lastWrite == 0 ? "-" : String(Timestamp.text(item.lastWrite).prefix(19)),
                item.rewrite < 0.005 ? "-" : "\(Int((item.rewrite * 100).rounded())) %",
                graph[graph.host(item.node)].title.printable, Printable.text(path(item.node)),
            ])
        }
        let pre = plan.items.filter { $0.phase == .preCopy }.count
        let seconds = Quantity.decimal(plan.preCopySeconds)
        return table.text(width: width) + """

            pre-copy: \(Quantity.counted(pre, "file")), \(Quantity.bytes(plan.bytes(.preCopy))), \(seconds) s
            final copy: \(Quantity.counted(plan.items.count - pre, "file")), \
            \(Quantity.bytes(plan.bytes(.finalCopy))); expected with what is written again: \
            \(Quantity.bytes(plan.expectedFinalBytes))

            """
    }

    /// For programs.
    var csv: [UInt8] {
        var out = Array("phase,host,path,bytes,last write,rewrite\n".utf8)
        for item in items {
            out += Array("\(item.phase.rawValue),".utf8)
            Array(graph[graph.host(item.node)].id.utf8).withUnsafeBytes { CSVField.append($0, to: &out) }
            out.append(UInt8(ascii: ","))
            graph.withText(item.node) { CSVField.append($0, to: &out) }
            let bytes = item.bytes.map(String.init) ?? ""
            let time = item.lastWrite == 0 ? "" : Timestamp.text(item.lastWrite)
            out += Array(",\(bytes),\(time),\(Int((item.rewrite * 1000).rounded()))e-3\n".utf8)
        }
        return out
    }

    /// For `rsync --from0 --files-from`, `tar --null -T`, `xargs -0`.
    var paths: [UInt8] {
        var out: [UInt8] = []
        for item in items { out += path(item.node) + [0] }
        return out
    }

    private func path(_ node: NodeID) -> [UInt8] { graph.withText(node) { Array($0) } }
}
