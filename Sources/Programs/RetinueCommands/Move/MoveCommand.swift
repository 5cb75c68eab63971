import ArgumentParser

struct MoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "move",
        abstract: "Carry a plan out: bring a group's programs and files to another host.",
        discussion: """
            Both hosts run retinue-agent(8). The steps can be taken one by one, or all by `run`: check what stands in the \
            way, pre-copy while the programs run, cut over (hold new clients, stop, bring the rest, start there), verify, and \
            commit, which lets clients in. Until then everything can be rolled back, and is, if a step fails, if it is not \
            committed in time, or if an agent dies. Nothing of the source is removed without `commit --remove`.

            Examples:
              retinue move check plan.yaml --to db2=10.0.0.12
              retinue move rehearse plan.yaml --to db2=10.0.0.12 --confirm 'pg_isready -h 127.0.0.1'
              retinue move run plan.yaml --to db2=10.0.0.12 --address 10.0.0.5/24 --confirm 'pg_isready -h 127.0.0.1'
              retinue move status
              retinue move spread plan.yaml --over web2=10.0.0.12,web3=10.0.0.13
              retinue move auto --policy placement.yaml

            Exit status: 0 done; 1 it was not, and the source serves; 2 bad input; 3 the agent cannot be reached.
            """,
        subcommands: [
            CheckMoveCommand.self, RehearseMoveCommand.self, PrecopyMoveCommand.self, CutoverMoveCommand.self,
            VerifyMoveCommand.self, CommitMoveCommand.self, RollbackMoveCommand.self, RunMoveCommand.self,
            HandoverMoveCommand.self, SpreadMoveCommand.self, AcrossMoveCommand.self,
            CopyMoveCommand.self, MoveStatusCommand.self, ThrottleMoveCommand.self, PauseMoveCommand.self,
            ResumeMoveCommand.self, AbortMoveCommand.self,
            ReconnectMoveCommand.self, AutoMoveCommand.self, EvacuateMoveCommand.self, SchedulerCommand.self,
            ReconnectMoveCommand.self, ProcessMoveCommand.self, ListMoveCommand.self, SaveMoveCommand.self,
            RestoreMoveCommand.self,
        ])
}
