! A simulation code in Fortran that has Rheo in it; host.c says more.
!   host_fortran simulate data.h5    all ranks simulate; the pairs go to a data set
!   host_fortran ask model.h5        the posterior of an observation, each rank drawing its share
program host
  use, intrinsic :: iso_c_binding, only: c_double, c_int, c_int64_t, c_ptr
  use mpi
  use rheo
  implicit none
  integer, parameter :: D = 2, C = 5, simulations = 4000, samples = 4000
  integer :: rank, size, ierr
  character(len=512) :: verb, path

  call MPI_Init(ierr)
  call MPI_Comm_rank(MPI_COMM_WORLD, rank, ierr)
  call MPI_Comm_size(MPI_COMM_WORLD, size, ierr)
  call get_command_argument(1, verb)
  call get_command_argument(2, path)
  call check(rheo_start())
  select case (verb)
  case ('simulate')
    call to_file()
  case ('ask')
    call ask()
  case default
    if (rank == 0) write (0, '(a)') 'usage: host_fortran simulate DATA.h5 | ask MODEL.h5'
    call MPI_Abort(MPI_COMM_WORLD, 2, ierr)
  end select
  call check(rheo_end())
  call MPI_Finalize(ierr)

contains

  ! Every call of Rheo goes through this: the library only reports, the host decides.
  subroutine check(code)
    integer(c_int), intent(in) :: code
    if (code == RHEO_DONE) return
    write (0, '(2a)') 'host: ', rheo_message()
    call MPI_Abort(MPI_COMM_WORLD, 1, ierr)
  end subroutine

  ! A number in (0, 1) that belongs to draw k of simulation i, whatever rank computes it.
  real(c_double) function uniform(i, k)
    integer(c_int64_t), intent(in) :: i
    integer, intent(in) :: k
    uniform = 43758.5453d0*sin(12.9898d0*(i + 1) + 78.233d0*(k + 1))
    uniform = min(max(uniform - floor(uniform), 1d-12), 1 - 1d-12)
  end function

  ! The prior's draw and its readings; the prior is that of decay.yaml.
  subroutine simulate(i, theta, x)
    integer(c_int64_t), intent(in) :: i
    real(c_double), intent(out) :: theta(D), x(C)
    real(c_double) :: noise
    integer :: t
    theta(1) = 0.5d0 + 1.5d0*uniform(i, 0)
    theta(2) = 0.1d0 + 0.9d0*uniform(i, 1)
    do t = 0, C - 1
      noise = sqrt(-2*log(uniform(i, 2 + 2*t)))*cos(6.283185307179586d0*uniform(i, 3 + 2*t))
      x(t + 1) = theta(1)*exp(-theta(2)*t) + 0.05d0*noise
    end do
  end subroutine

  subroutine to_file()
    type(c_ptr) :: feed
    integer(c_int64_t) :: i, rows
    real(c_double) :: theta(D), x(C)
    call check(rheo_feed_to_file(MPI_COMM_WORLD, path, 'amplitude, rate', '5', 256, feed))
    do i = rank, simulations - 1, size
      call simulate(i, theta, x)
      call check(rheo_feed_put(feed, i, theta, x, 0_c_int))
    end do
    call check(rheo_feed_close(feed, rows))
    if (rank == 0) print '(a, i0)', 'simulations: ', rows
  end subroutine

  ! Amplitude 1, rate 0.5, read without noise. Sample i is the same whichever rank draws it.
  subroutine ask()
    type(c_ptr) :: model, workspace
    integer(c_int64_t) :: i
    integer :: k
    real(c_double) :: x(C), theta(D), log_prob(1), sums(2*D), all(2*D)
    x = [(exp(-0.5d0*k), k=0, C - 1)]
    call check(rheo_model_load(MPI_COMM_WORLD, path, model))
    call check(rheo_workspace_create(model, workspace))
    sums = 0
    do i = rank, samples - 1, size
      call check(rheo_sample(model, workspace, x, 1_c_int64_t, i, 1_c_int, theta, log_prob))
      sums = sums + [theta, theta**2]/samples
    end do
    call MPI_Reduce(sums, all, 2*D, MPI_DOUBLE_PRECISION, MPI_SUM, 0, MPI_COMM_WORLD, ierr)
    if (rank == 0) then
      do k = 1, D
        print '(2a, f6.4, a, f6.4, a)', rheo_model_parameter_name(model, k), ': {mean: ', all(k), ', sd: ', &
          sqrt(all(D + k) - all(k)**2), '}'
      end do
    end if
    call check(rheo_workspace_destroy(workspace))
    call check(rheo_model_destroy(model))
  end subroutine
end program
