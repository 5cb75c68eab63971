import MoveGroup
import MovePlan
import Records
import Text

/// What a plan copies, in the order to copy it.
///
/// The pre-copy stands before the final copy, the large before the small: what is large is begun while most of the time is
/// left.
struct PlannedTransfer: TransferAnswer {
    private struct Item {
        var phase: TransferPlan.Phase
        var host: String
        var title: String
        var path: [UInt8]
        /// `nil` where it is no file, or cannot be looked at.
        var bytes: UInt64?
    }

    private var items: [Item] = []
    private let bandwidth: Double
    /// What is not known, a sentence each.
    private(set) var remarks: [String] = []

    /// - Parameters:
    ///   - hosts: of which the files are meant.
    ///   - bandwidth: bytes a second.
    init(_ hosts: [HostPlan], _ roots: HostRoots, only phase: TransferPlan.Phase?, bandwidth: Double) {
        self.bandwidth = bandwidth
        for host in hosts {
            let title = host.name.isEmpty ? host.id : host.name
            let root = roots.root(of: host)
            if root == nil {
                remarks.append(
                    "the files of \(title) are not here: run there, or give --root \(title)=FOLDER; folders stand without what "
                        + "is in them")
            }
            for next in [TransferPlan.Phase.preCopy, .finalCopy] where phase == nil || phase == next {
                let treatment: Treatment = next == .preCopy ? .preCopy : .finalCopy
                let contents = root.map { PlanContents(host, root: $0) }
                let paths =
                    contents?.paths(treatment)
                    ?? host.entries.filter { $0.treatment == treatment }.map(\.path)
                let known = Dictionary(host.entries.map { ($0.path, $0.bytes) }) { first, _ in first }
                var found = paths.map { path in
                    let bytes = contents.map { $0.bytes(of: path) } ?? known[path] ?? nil
                    return Item(phase: next, host: host.id, title: title, path: path, bytes: bytes)
                }
                found.sort {
                    let (left, right) = ($0.bytes ?? 0, $1.bytes ?? 0)
                    return left == right ? $0.path.lexicographicallyPrecedes($1.path) : left > right
                }
                items += found
            }
        }
    }

    private func bytes(_ phase: TransferPlan.Phase) -> UInt64 {
        items.filter { $0.phase == phase }.reduce(0) { $0 &+ ($1.bytes ?? 0) }
    }

    private func count(_ phase: TransferPlan.Phase) -> Int { items.count { $0.phase == phase } }

    func checkPaths() throws(Failure) { try Self.checkOneHost(Set(items.map(\.title))) }

    /// For people.
    func table(width: Int?) -> String {
        var table = TextTable([
            .init(title: "PHASE"), .init(title: "SIZE", isNumber: true), .init(title: "HOST"),
            .init(title: "FILE", cut: .start),
        ])
        for item in items {
            table.add([
                item.phase.rawValue, item.bytes.map { Quantity.bytes($0) } ?? "-", item.title.printable,
                Printable.text(item.path),
            ])
        }
        return table.text(width: width) + """

            pre-copy: \(Quantity.counted(count(.preCopy), "path")), \(Quantity.bytes(bytes(.preCopy))), \
            \(Quantity.decimal(Double(bytes(.preCopy)) / bandwidth)) s
            final copy: \(Quantity.counted(count(.finalCopy), "path")), \(Quantity.bytes(bytes(.finalCopy)))

            """
    }

    /// `retinue-transfer/1`, without what only records have.
    var json: [UInt8] {
        var out = JSONWriter()
        out.object { out in
            out.member("schema", word: "retinue-transfer/1")
            out.array("files", items) { out, item in
                out.member("phase", text: item.phase.rawValue)
                out.member("host", text: item.host)
                out.member("path", bytes: item.path)
                if let bytes = item.bytes { out.member("bytes", number: bytes) }
            }
            out.beginLine()
            out.object("totals") { out in
                for (key, phase) in [("pre_copy", TransferPlan.Phase.preCopy), ("final_copy", .finalCopy)] {
                    out.object(text: key) { out in
                        out.member("files", number: count(phase))
                        out.member("bytes", number: bytes(phase))
                    }
                }
                let milliseconds = min(Double(bytes(.preCopy)) / bandwidth, 1e12) * 1000
                out.member("pre_copy_milliseconds", number: Int(milliseconds.rounded()))
            }
        }
        out.endDocument()
        return out.bytes
    }

    /// For programs.
    var csv: [UInt8] {
        var out = Array("phase,host,path,bytes,last write,rewrite\n".utf8)
        for item in items {
            out += Array("\(item.phase.rawValue),".utf8)
            for text in [Array(item.host.utf8), item.path] {
                text.withUnsafeBytes { SheetCell.append($0, to: &out) }
                out.append(UInt8(ascii: ","))
            }
            out += Array("\(item.bytes.map(String.init) ?? ""),,\n".utf8)
        }
        return out
    }

    /// For `rsync --from0 --files-from`, `tar --null -T`.
    var paths: [UInt8] { items.flatMap { $0.path + [0] } }
}
