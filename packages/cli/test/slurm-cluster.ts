import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePort } from './free-port.ts'

/** Whether this machine has the daemons (Debian: slurm-wlm). */
export const hasSlurm = ['slurmctld', 'slurmd', 'sbatch', 'squeue'].every(
  (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0,
)

/** A Slurm of one machine with two processors, in a folder of its own; env points its commands at it. */
export async function startSlurm(): Promise<{ readonly env: { readonly SLURM_CONF: string }; stop(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'qpkv-slurm-'))
  for (const name of ['state', 'spool']) mkdirSync(join(folder, name))
  const [host = ''] = hostname().split('.')
  const { username } = userInfo()
  const [controller, node] = [await freePort(), await freePort()]
  writeFileSync(
    join(folder, 'slurm.conf'),
    `ClusterName=one
SlurmctldHost=${host}(127.0.0.1)
AuthType=auth/none
CredType=cred/none
SlurmUser=${username}
SlurmdUser=${username}
SlurmctldPort=${controller}
SlurmdPort=${node}
StateSaveLocation=${join(folder, 'state')}
SlurmdSpoolDir=${join(folder, 'spool')}
SlurmctldPidFile=${join(folder, 'slurmctld.pid')}
SlurmdPidFile=${join(folder, 'slurmd.pid')}
SlurmctldLogFile=${join(folder, 'slurmctld.log')}
SlurmdLogFile=${join(folder, 'slurmd.log')}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=1,sched_interval=1,requeue_delay=1
MpiDefault=none
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=${host} Default=YES MaxTime=INFINITE State=UP
`,
  )
  const env = { SLURM_CONF: join(folder, 'slurm.conf') }
  const call = (command: string, ...args: string[]) =>
    spawnSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8' })
  const stop = () => {
    for (const name of ['slurmd', 'slurmctld']) {
      try {
        process.kill(Number(readFileSync(join(folder, `${name}.pid`), 'utf8')), 'SIGTERM')
      } catch {
        // it has not come up
      }
    }
    spawnSync('sleep', ['1'])
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  for (const daemon of ['slurmctld', 'slurmd']) call(daemon)
  for (let i = 0; i < 100; i++) {
    if (call('sinfo', '--noheader', '--format=%T').stdout.trim() === 'idle') return { env, stop }
    await setTimeout(200)
  }
  const log = readFileSync(join(folder, 'slurmctld.log'), 'utf8')
  stop()
  throw new Error(`Slurm did not come up: ${log}`)
}
