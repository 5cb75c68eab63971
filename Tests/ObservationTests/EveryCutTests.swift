import Observation
import Records
import Testing

/// The ordering protocol holds wherever a drain cuts the two streams: what a program did is recorded under it and
/// nobody else, with every spawn, however much waits behind the cut.
@Suite struct EveryCutTests {
    /// One thing that happens, in the order in which the kernel lets it happen.
    private enum Step {
        case fork(Int32, Int32)
        case opens(Int32, [String])
        case exec(Int32)
        case open(Int32, String)
        case exit(Int32)
    }

    private struct Story {
        var steps: [Step] = []
        /// What is true, written along with the steps.
        var truth: Set<String> = []
        /// What cannot be distinguished from the truth where one batch has it all: the kernel merges an open behind an exec
        /// with a like one before it.
        var possible: Set<String> = []
        /// What may be recorded with evidence `inferred`, and never as exact unless it is true.
        var ambiguous: Set<String> = []

        /// A child that executes a program, opens a file of its own and ends.
        mutating func run(
            _ parent: Int32, _ parentName: String, _ child: Int32, _ name: String, _ file: String
        ) {
            steps += [
                .fork(parent, child), .opens(child, ["/bin/\(name)", Scene.loader]), .exec(child),
                .open(child, file), .exit(child),
            ]
            truth.formUnion([
                "/bin/\(parentName) spawn /bin/\(name)", "/bin/\(name) file /bin/\(name) x",
                "/bin/\(name) file \(Scene.loader) x", "/bin/\(name) file \(file) r",
            ])
        }
    }

    /// A shell that runs programs one after another, a script between them, a program that becomes another one, and
    /// pids that are used again.
    private static let story: Story = {
        var story = Story()
        story.run(10, "shell", 11, "one", "/data/1")
        story.run(10, "shell", 12, "two", "/data/2")
        story.steps += [
            .fork(10, 13), .opens(13, ["/bin/three", Scene.loader]), .exec(13), .open(13, "/data/3"),
            .fork(13, 14), .opens(13, ["/bin/four", Scene.loader]), .exec(13), .open(13, "/data/4"),
            .open(14, "/data/5"), .exit(14), .exit(13),
        ]
        story.truth.formUnion([
            "/bin/shell spawn /bin/three", "/bin/three file /bin/three x",
            "/bin/three file \(Scene.loader) x",
            "/bin/three file /data/3 r", "/bin/three spawn /bin/four", "/bin/four file /bin/four x",
            "/bin/four file \(Scene.loader) x", "/bin/four file /data/4 r", "/bin/three file /data/5 r",
        ])
        story.possible = ["/bin/four file /data/3 r"]
        story.ambiguous = ["/bin/one file /data/1 r", "/bin/shell file /data/1 r"]
        story.run(10, "shell", 11, "five", "/data/6")
        return story
    }()

    /// Puts the steps of a range into the batch; file events and process events apart, since the two sources are not
    /// drained at the same moment.
    private func put(_ steps: [(number: Int, step: Step)], _ scene: inout Scene, files: Bool) {
        for (number, step) in steps {
            let time = Self.time(number)
            switch step {
            case .fork(let parent, let child) where !files: scene.lifecycle(.fork, child, parent, at: time)
            case .exec(let pid) where !files: scene.lifecycle(.exec, pid, at: time)
            case .exit(let pid) where !files: scene.lifecycle(.exit, pid, at: time)
            case .opens(let pid, let paths) where files:
                for path in paths { scene.event([.opened, .executed], pid, path) }
            case .open(let pid, let path) where files: scene.open(pid, path)
            default: break
            }
        }
    }

    private static func time(_ number: Int) -> UInt64 { 2_000_000_000 + UInt64(number) * 1000 }

    private func scene() -> Scene {
        let scene = Scene()
        for name in ["shell", "one", "two", "three", "four", "five"] {
            scene.host.heads["/bin/" + name] = .dynamic(loader: Array("/lib64/ld-linux.so.2".utf8))
        }
        scene.host.add(10, "/bin/shell")
        return scene
    }

    /// Each batch: T is taken before step `cut`; file events are read up to a later step (those that came while it
    /// was read included), process events up to one later still.
    @Test func everyCutGivesTheWholeTruthAndNothingElse() {
        let steps = Array(Self.story.steps.enumerated()).map { (number: $0.offset, step: $0.element) }
        let count = steps.count
        for cut in 0...count {
            for files in cut...count {
                for processes in files...count {
                    var scene = scene()
                    put(Array(steps[..<files]), &scene, files: true)
                    put(Array(steps[..<processes]), &scene, files: false)
                    scene.interpret(at: Self.time(cut) - 1)
                    put(Array(steps[files...]), &scene, files: true)
                    put(Array(steps[processes...]), &scene, files: false)
                    scene.interpret(at: Self.time(count + 1))
                    // An empty batch: what waited for its turn has had it.
                    scene.interpret(at: Self.time(count + 2))
                    let found = Set(scene.lines)
                    let place = "cut \(cut), files to \(files), processes to \(processes)"
                    let inferred = Set(scene.lines { $0.evidence != .exact })
                    #expect(Self.story.truth.subtracting(found) == [], "missing: \(place)")
                    let wrong = found.subtracting(Self.story.truth).subtracting(Self.story.possible)
                        .subtracting(inferred)
                    #expect(wrong == [], "wrong: \(place)")
                    // Where the pid was used again between two chains of one batch, its life is inferred: it may be
                    // that of a child of the shell whose exec is still to come.
                    #expect(inferred.isSubset(of: Self.story.ambiguous), "uncertain: \(place)")
                }
            }
        }
    }

    /// The same with three batches and every file event of the first two read in one step at a time.
    @Test func aBatchForEachStepGivesTheSame() {
        let steps = Array(Self.story.steps.enumerated()).map { (number: $0.offset, step: $0.element) }
        var scene = scene()
        for index in steps.indices {
            put([steps[index]], &scene, files: true)
            put([steps[index]], &scene, files: false)
            scene.interpret(at: Self.time(index) + 1)
        }
        scene.interpret(at: Self.time(steps.count + 1))
        #expect(Set(scene.lines) == Self.story.truth)
    }
}
