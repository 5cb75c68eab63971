import Glibc

/// One thing that is fed with bytes of anybody's making. It must return: a trap is a bug.
struct FuzzTarget: Sendable {
    let name: String
    let run: @Sendable ([UInt8]) -> Void

    static let all: [FuzzTarget] =
        WireTargets.all + TextTargets.all + RecordTargets.all + PlanTargets.all + PackageTargets.all
        + [RemoteCallTarget.target, MapTarget.target, ImageTarget.target, SharedPageTarget.target]
        + [ObserverTarget.target]
}

/// The chosen target; set once, before libFuzzer starts.
nonisolated(unsafe) private var chosen: (@Sendable ([UInt8]) -> Void)?

private typealias Words = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// Called by libFuzzer's main with the arguments: `TARGET [OPTION]... [CORPUS]...`; `--seeds FOLDER` writes what a
/// corpus begins with; without arguments the names of the targets are printed.
@_cdecl("LLVMFuzzerInitialize")
func initialize(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> Int32 {
    let words: Words = arguments.pointee
    let names = FuzzTarget.all.map(\.name)
    guard count.pointee > 1, let word = words[1] else {
        print(names.joined(separator: "\n"))
        exit(0)
    }
    let name = String(cString: word)
    if name == "--seeds", count.pointee == 3, let folder = words[2] {
        Seeds.write(to: String(cString: folder))
        exit(0)
    }
    guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
        print("no target \(name); there are \(names.joined(separator: ", "))")
        exit(2)
    }
    chosen = target.run
    // The rest is libFuzzer's.
    for index in 1..<Int(count.pointee) { words[index] = words[index + 1] }
    count.pointee -= 1
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    chosen!(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

/// An invariant that does not hold ends the program, as a trap in the code under test does.
func require(_ condition: @autoclosure () -> Bool, _ what: @autoclosure () -> String) {
    if !condition() { fatalError("broken: \(what())") }
}
